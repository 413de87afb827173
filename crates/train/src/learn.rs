//! Learning: logistic regression over windows, by stochastic gradients with per-feature rates.
//!
//! A text is represented by its worst window: benign texts push that one down, attacks lift it,
//! so the model learns where in a long text the attack is without being told. Features that only
//! one source uses are left out (they would tell sources apart, not attacks), and a part of the
//! features is hidden at random in every step, so that none is relied on alone.

use crate::corpus::{Document, Window};
use crate::random::Random;
use atalaya_inspect::classifier::{FEATURES, norm};

/// What can be tuned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) epochs: usize,
    pub(crate) rate: f32,
    pub(crate) decay: f32,
    /// Percent of features hidden in a step.
    pub(crate) hidden_percent: usize,
    /// Sources that must use a feature.
    pub(crate) sources_min: u16,
    pub(crate) seed: u64,
    /// How often the texts are learned from, in orders of their own.
    pub(crate) orders: u64,
    /// Log-odds that a sure pattern adds.
    pub(crate) patterns: f32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            epochs: 6,
            rate: 0.15,
            decay: 2e-4,
            hidden_percent: 30,
            sources_min: 2,
            seed: 7,
            orders: 4,
            patterns: 4.5,
        }
    }
}

/// One set of weights for what users write, one for material.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) user: Weights,
    pub(crate) material: Weights,
}

impl Pair {
    pub(crate) const fn of(&self, document: &Document) -> &Weights {
        if document.material {
            &self.material
        } else {
            &self.user
        }
    }

    pub(crate) fn score(&self, document: &Document) -> f32 {
        self.of(document).score(document)
    }
}

/// Learns both sets.
pub(crate) fn learn_pair(documents: &[&Document], settings: Settings) -> Pair {
    let of_role = |material: bool| -> Vec<&Document> {
        documents
            .iter()
            .copied()
            .filter(|document| document.material == material)
            .collect()
    };
    Pair {
        user: learn(&of_role(false), settings),
        material: learn(&of_role(true), settings),
    }
}

/// Weights as learned.
#[derive(Clone, Debug, Default)]
pub(crate) struct Weights {
    pub(crate) weights: Vec<f32>,
    /// For user texts, for material.
    pub(crate) bias: [f32; 2],
    /// Which of the two it was learned for.
    pub(crate) material: bool,
}

impl Weights {
    /// As many, all zero.
    fn empty(&self) -> Self {
        Self {
            weights: vec![0.0; self.weights.len()],
            bias: [0.0; 2],
            material: self.material,
        }
    }

    pub(crate) fn window(&self, document: &Document, window: Window) -> f32 {
        let sum: f32 = document
            .features_of(window)
            .iter()
            .map(|feature| self.weights.get(*feature as usize).copied().unwrap_or(0.0))
            .sum();
        self.bias[usize::from(document.material)] + sum * norm(window.tokens)
    }

    /// The worst window and its score.
    pub(crate) fn worst(&self, document: &Document) -> Option<(Window, f32)> {
        let mut worst: Option<(Window, f32)> = None;
        for window in &document.windows {
            let score = self.window(document, *window);
            if worst.is_none_or(|(_, best)| score > best) {
                worst = Some((*window, score));
            }
        }
        worst
    }

    pub(crate) fn score(&self, document: &Document) -> f32 {
        self.worst(document).map_or(-20.0, |(_, score)| score)
    }
}

/// Learns from documents several times in different orders, and takes the mean: what only one order
/// taught is chance.
pub(crate) fn learn(documents: &[&Document], settings: Settings) -> Weights {
    let usable = usable(documents, settings.sources_min);
    let share = 1.0 / settings.orders as f32;
    let mut mean: Option<Weights> = None;
    for order in 0..settings.orders {
        let seed = settings.seed + order;
        let one = learn_once(documents, &usable, Settings { seed, ..settings });
        let sum = mean.get_or_insert_with(|| one.empty());
        for (sum, weight) in sum.weights.iter_mut().zip(&one.weights) {
            *sum += weight * share;
        }
        for (sum, bias) in sum.bias.iter_mut().zip(one.bias) {
            *sum += bias * share;
        }
    }
    mean.unwrap_or_default()
}

fn learn_once(documents: &[&Document], usable: &[bool], settings: Settings) -> Weights {
    let size = FEATURES;
    let mut state = State {
        weights: Weights {
            weights: vec![0.0; size],
            bias: [-1.0, -1.0],
            material: false,
        },
        squares: vec![0.0; size],
        usable,
        random: Random::new(settings.seed),
        settings,
    };
    let mut average = vec![0.0_f32; size];
    let mut bias = [0.0_f32; 2];
    let averaged = settings.epochs.div_ceil(2);
    let mut order: Vec<u32> = (0..u32::try_from(documents.len()).unwrap_or(0)).collect();
    for epoch in 0..settings.epochs {
        state.random.shuffle(&mut order);
        for at in &order {
            if let Some(document) = documents.get(*at as usize) {
                state.step(document, epoch);
            }
        }
        if epoch + averaged >= settings.epochs {
            for (sum, weight) in average.iter_mut().zip(&state.weights.weights) {
                *sum += weight / averaged as f32;
            }
            for (sum, value) in bias.iter_mut().zip(state.weights.bias) {
                *sum += value / averaged as f32;
            }
        }
    }
    Weights {
        weights: average,
        bias,
        material: documents.first().is_some_and(|document| document.material),
    }
}

/// Which features enough sources use.
fn usable(documents: &[&Document], sources_min: u16) -> Vec<bool> {
    let size = FEATURES;
    let mut last = vec![u32::MAX; size];
    let mut count = vec![0_u16; size];
    let mut by_source: Vec<&&Document> = documents.iter().collect();
    by_source.sort_by_key(|document| document.source);
    for document in by_source {
        for feature in &document.features {
            let at = *feature as usize;
            if let (Some(last), Some(count)) = (last.get_mut(at), count.get_mut(at))
                && *last != document.source
            {
                *last = document.source;
                *count = count.saturating_add(1);
            }
        }
    }
    count
        .into_iter()
        .map(|count| count >= sources_min)
        .collect()
}

struct State<'a> {
    weights: Weights,
    squares: Vec<f32>,
    usable: &'a [bool],
    random: Random,
    settings: Settings,
}

impl State<'_> {
    fn step(&mut self, document: &Document, epoch: usize) {
        let Some((window, score)) = self.pick(document, epoch) else {
            return;
        };
        let score = score + self.patterns(document);
        let target = f32::from(u8::from(document.attack));
        let gradient = (sigmoid(score) - target) * document.weight;
        if gradient.abs() < 1e-4 {
            return;
        }
        let norm = norm(window.tokens);
        let mut bits = 0_u64;
        let mut left = 0;
        for feature in document.features_of(window) {
            if left == 0 {
                bits = self.random.next();
                left = 9;
            }
            let hidden = (bits & 127) as usize * 100 < self.settings.hidden_percent * 128;
            bits >>= 7;
            left -= 1;
            let at = *feature as usize;
            if hidden || !self.usable.get(at).copied().unwrap_or(false) {
                continue;
            }
            if let (Some(weight), Some(square)) =
                (self.weights.weights.get_mut(at), self.squares.get_mut(at))
            {
                let slope = gradient * norm + self.settings.decay * *weight;
                *square += slope * slope;
                *weight -= self.settings.rate * slope / (square.sqrt() + 1e-3);
            }
        }
        if let Some(bias) = self.weights.bias.get_mut(usize::from(document.material)) {
            *bias -= 0.01 * gradient;
        }
    }

    /// What patterns say of a text is known when it is judged. An innocent text has to look innocent
    /// in spite of them, an attack like one without them as well.
    fn patterns(&mut self, document: &Document) -> f32 {
        let hides = document.attack && self.random.below(8) > 0;
        let share = if hides {
            0.0
        } else {
            f32::from(document.patterns) / 100.0
        };
        self.settings.patterns * share
    }

    fn pick(&mut self, document: &Document, epoch: usize) -> Option<(Window, f32)> {
        if epoch == 0 {
            // Nothing is known yet: long attacks would teach their carriers.
            if document.attack && document.windows.len() > 3 {
                return None;
            }
            let at = self.random.below(document.windows.len());
            let window = *document.windows.get(at)?;
            return Some((window, self.weights.window(document, window)));
        }
        self.weights.worst(document)
    }
}

/// The logistic function.
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x.clamp(-30.0, 30.0)).exp())
}
