//! Incidents in the store: taking in alerts, and everything an analyst does to them.

use std::sync::Arc;

use atalaya_model::{Alert, AlertStatus, Entity, Severity, Timestamp};
use atalaya_store::{DOCUMENTS_LISTED_MAX, DocumentFilter, DocumentStore, Store, StoreError};

use super::{
    Comment, Disposition, ENTRIES_MAX, Grouping, GroupingConfig, Heading, Incident, IncidentStatus,
    Task, TimelineEntry, group, group_alert,
};
use crate::typed;

/// Why an incident could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum IncidentError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no such incident, or several begin like that.
    #[error("{0}")]
    NotFound(String),
    /// That cannot be done to it.
    #[error("{0}")]
    Refused(String),
}

/// Which incidents to list.
#[derive(Clone, Debug, Default)]
pub struct IncidentFilter {
    /// Any of these; all but merged ones if empty.
    pub statuses: Vec<IncidentStatus>,
    /// Value of any entity.
    pub entity: Option<String>,
    /// An exact technique.
    pub technique: Option<String>,
    /// Who works on it.
    pub owner: Option<String>,
    /// Least severity.
    pub severity_min: Option<Severity>,
    /// Most incidents.
    pub limit: u32,
}

/// A change by an analyst. Members that are not there stay as they are.
#[derive(Clone, Debug, Default)]
pub struct Update {
    /// Where it stands now.
    pub status: Option<IncidentStatus>,
    /// Who works on it.
    pub owner: Option<String>,
    /// How urgent it is.
    pub severity: Option<Severity>,
    /// What it turned out to be.
    pub disposition: Option<Disposition>,
    /// Its title.
    pub title: Option<String>,
    /// A remark.
    pub comment: Option<String>,
}

/// The incidents. Cheap to clone.
#[derive(Clone)]
pub struct Incidents {
    documents: Arc<dyn DocumentStore>,
    alerts: Arc<dyn Store>,
    config: GroupingConfig,
    /// Two alerts of one attack must not open two incidents.
    grouping: Arc<tokio::sync::Mutex<()>>,
}

impl Incidents {
    /// The incidents in a store.
    #[must_use]
    pub fn new(
        documents: Arc<dyn DocumentStore>,
        alerts: Arc<dyn Store>,
        config: GroupingConfig,
    ) -> Self {
        Self {
            documents,
            alerts,
            config,
            grouping: Arc::default(),
        }
    }

    /// Takes in an alert: joins it to an incident, or opens one. Taking in the same alert again
    /// changes nothing. `None` if it joins none and is not severe enough to open one.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn take_in(
        &self,
        alert: &Alert,
        opens: bool,
        now: Timestamp,
    ) -> Result<Option<(Incident, Grouping)>, IncidentError> {
        let _alone = self.grouping.lock().await;
        let store = self.documents.as_ref();
        let mut candidates: Vec<Incident> = typed::list(
            store,
            DocumentFilter::default().facet("alert", &alert.alert_id),
        )
        .await?;
        for key in group::group_keys(alert) {
            candidates
                .extend(typed::list(store, DocumentFilter::default().facet("group", &key)).await?);
        }
        let decided = group_alert(alert, &candidates, &self.config, now);
        let changed = match &decided {
            Grouping::Known(id) => typed::get(store, id).await?,
            Grouping::Join(id) => {
                let joined = typed::change(store, id, now, |incident: &mut Incident| {
                    (group::add(incident, alert, now), ())
                });
                joined.await?.map(|(incident, ())| incident)
            }
            Grouping::Reopen(id) => {
                let joined = typed::change(store, id, now, |incident: &mut Incident| {
                    if incident.status == IncidentStatus::Closed {
                        group::reopen(incident, &alert.alert_id, now);
                    }
                    (group::add(incident, alert, now), ())
                });
                joined.await?.map(|(incident, ())| incident)
            }
            Grouping::Open if !opens => return Ok(None),
            Grouping::Open => {
                let incident = group::open(alert, uuid::Uuid::now_v7().to_string(), now);
                typed::insert(store, &incident, now).await?;
                Some(incident)
            }
        };
        Ok(changed.map(|incident| (incident, decided)))
    }

    /// One incident by its id or the beginning of it.
    ///
    /// # Errors
    /// If there is none, or several.
    pub async fn find(&self, id: &str) -> Result<Incident, IncidentError> {
        if let Some(found) = typed::get(self.documents.as_ref(), id).await? {
            return Ok(found);
        }
        let all = DocumentFilter::of(<Incident as typed::Stored>::KIND);
        let mut found: Vec<Incident> = typed::list(self.documents.as_ref(), all).await?;
        found.retain(|incident| !id.is_empty() && incident.incident_id.starts_with(id));
        match found.len() {
            1 => Ok(found.remove(0)),
            0 => Err(IncidentError::NotFound(format!(
                "there is no incident {id}; see `atalaya incidents list`"
            ))),
            several => Err(IncidentError::NotFound(format!(
                "{several} incidents begin with {id}; give more of the id"
            ))),
        }
    }

    /// Incidents that match, those that changed last first.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn list(&self, filter: &IncidentFilter) -> Result<Vec<Incident>, IncidentError> {
        let mut wanted = DocumentFilter {
            statuses: if filter.statuses.is_empty() {
                ["new", "active", "contained", "closed"]
                    .map(str::to_owned)
                    .into()
            } else {
                let names = filter.statuses.iter().map(|s| s.as_str().to_owned());
                names.collect()
            },
            limit: DOCUMENTS_LISTED_MAX,
            ..DocumentFilter::default()
        };
        for (name, value) in [
            ("entity", &filter.entity),
            ("technique", &filter.technique),
            ("owner", &filter.owner),
        ] {
            if let Some(value) = value {
                wanted = wanted.facet(name, value);
            }
        }
        let mut found: Vec<Incident> = typed::list(self.documents.as_ref(), wanted).await?;
        if let Some(least) = filter.severity_min {
            found.retain(|incident| incident.severity() >= least);
        }
        let limit = if filter.limit == 0 { 100 } else { filter.limit };
        found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(found)
    }

    /// Changes an incident as an analyst asks. Closing it closes its alerts.
    ///
    /// # Errors
    /// If it does not exist, or the change makes no sense.
    pub async fn update(
        &self,
        id: &str,
        update: &Update,
        actor: &str,
        now: Timestamp,
    ) -> Result<Incident, IncidentError> {
        let before = self.find(id).await?;
        if before.status == IncidentStatus::Merged {
            let into = before.merged_into.unwrap_or_default();
            let why = format!("the incident became part of {into}; change that one");
            return Err(IncidentError::Refused(why));
        }
        let closes = update.status == Some(IncidentStatus::Closed);
        let disposition = update.disposition.unwrap_or(before.disposition);
        if closes && disposition == Disposition::Undetermined && update.disposition.is_none() {
            return Err(IncidentError::Refused(
                "say what it turned out to be: true_positive, benign_positive, false_positive \
                 or undetermined"
                    .to_owned(),
            ));
        }
        let incident = self
            .change(&before.incident_id, now, |incident| {
                apply(incident, update, actor, now);
                true
            })
            .await?;
        let status = match incident.status {
            IncidentStatus::Closed => Some(AlertStatus::Closed),
            IncidentStatus::Active | IncidentStatus::Contained => Some(AlertStatus::Active),
            IncidentStatus::New | IncidentStatus::Merged => None,
        };
        if let Some(status) = status.filter(|_| update.status.is_some()) {
            for alert in &incident.alert_ids {
                self.alerts.set_alert_status(alert, status).await?;
            }
        }
        Ok(incident)
    }

    /// Notes that something happened, once per key.
    ///
    /// # Errors
    /// If there is no such incident.
    pub async fn note(
        &self,
        id: &str,
        entry: TimelineEntry,
        now: Timestamp,
    ) -> Result<Incident, IncidentError> {
        let contained = matches!(entry.kind.as_str(), "block" | "quarantine");
        self.change(id, now, |incident| {
            let noted = incident.note(entry.clone());
            if noted && contained {
                incident.clocks.contained.get_or_insert(entry.time);
                if matches!(
                    incident.status,
                    IncidentStatus::New | IncidentStatus::Active
                ) {
                    incident.status = IncidentStatus::Contained;
                }
            }
            let freed = matches!(entry.kind.as_str(), "block_undone" | "quarantine_undone");
            if noted && freed && incident.status == IncidentStatus::Contained {
                // The attack could go on: somebody decides what it is.
                incident.status = IncidentStatus::Active;
            }
            incident.last_activity = incident.last_activity.max(now);
            noted
        })
        .await
    }

    /// Notes what nobody did: a clock that ran out is no activity.
    ///
    /// # Errors
    /// If there is no such incident.
    pub async fn note_overdue(
        &self,
        id: &str,
        entry: TimelineEntry,
        now: Timestamp,
    ) -> Result<Incident, IncidentError> {
        self.change(id, now, |incident| incident.note(entry.clone()))
            .await
    }

    /// Adds a task, once per key.
    ///
    /// # Errors
    /// If there is no such incident.
    pub async fn add_task(
        &self,
        id: &str,
        task: Task,
        now: Timestamp,
    ) -> Result<Incident, IncidentError> {
        self.change(id, now, |incident| incident.add_task(&task))
            .await
    }

    /// Marks a task as done or not.
    ///
    /// # Errors
    /// If there is no such incident or task.
    pub async fn set_task(
        &self,
        id: &str,
        number: u32,
        done: bool,
        now: Timestamp,
    ) -> Result<Incident, IncidentError> {
        let before = self.find(id).await?;
        if !before.tasks.iter().any(|task| task.number == number) {
            let why = format!("the incident has no task {number}");
            return Err(IncidentError::NotFound(why));
        }
        self.change(&before.incident_id, now, |incident| {
            for task in &mut incident.tasks {
                if task.number == number {
                    task.done = done;
                }
            }
            true
        })
        .await
    }

    /// Remembers a run of a runbook or an evidence bundle.
    ///
    /// # Errors
    /// If there is no such incident.
    pub async fn attach(
        &self,
        id: &str,
        run: Option<&str>,
        evidence: Option<&str>,
        now: Timestamp,
    ) -> Result<Incident, IncidentError> {
        self.change(id, now, |incident| {
            let mut changed = false;
            for (list, item) in [
                (&mut incident.run_ids, run),
                (&mut incident.evidence, evidence),
            ] {
                if let Some(item) = item.filter(|item| !list.iter().any(|known| known == item)) {
                    list.push(item.to_owned());
                    changed = true;
                }
            }
            changed
        })
        .await
    }

    /// Makes one incident part of another.
    ///
    /// # Errors
    /// If either does not exist, or they are the same.
    pub async fn merge(
        &self,
        from: &str,
        into: &str,
        actor: &str,
        now: Timestamp,
    ) -> Result<Incident, IncidentError> {
        let (from, into) = (self.find(from).await?, self.find(into).await?);
        if from.incident_id == into.incident_id {
            let why = "an incident cannot become part of itself".to_owned();
            return Err(IncidentError::Refused(why));
        }
        if from.status == IncidentStatus::Merged || into.status == IncidentStatus::Merged {
            let why = "one of them became part of another incident already".to_owned();
            return Err(IncidentError::Refused(why));
        }
        let mut alerts = Vec::new();
        for id in &from.alert_ids {
            alerts.extend(self.alerts.alert(id).await?);
        }
        // The target first: a crash in between leaves both, and merging again ends it.
        let merged = self
            .change(&into.incident_id, now, |incident| {
                for alert in &alerts {
                    group::add(incident, alert, now);
                }
                absorb(incident, &from, actor, now);
                true
            })
            .await?;
        self.change(&from.incident_id, now, |incident| {
            incident.status = IncidentStatus::Merged;
            incident.merged_into = Some(into.incident_id.clone());
            incident.group_keys.clear();
            incident.alert_ids.clear();
            true
        })
        .await?;
        Ok(merged)
    }

    /// Takes alerts out of an incident into a new one.
    ///
    /// # Errors
    /// If the incident does not have them, or nothing would be left.
    pub async fn split(
        &self,
        id: &str,
        alert_ids: &[String],
        actor: &str,
        now: Timestamp,
    ) -> Result<Incident, IncidentError> {
        let before = self.find(id).await?;
        if let Some(alert) = alert_ids.iter().find(|a| !before.alert_ids.contains(a)) {
            let why = format!("the incident has no alert {alert}");
            return Err(IncidentError::NotFound(why));
        }
        if alert_ids.is_empty() || alert_ids.len() == before.alert_ids.len() {
            let why = "name some of the incident's alerts, not all of them".to_owned();
            return Err(IncidentError::Refused(why));
        }
        let mut moved: Option<Incident> = None;
        for id in alert_ids {
            let Some(alert) = self.alerts.alert(id).await? else {
                continue;
            };
            match &mut moved {
                None => {
                    moved = Some(group::open(&alert, uuid::Uuid::now_v7().to_string(), now));
                }
                Some(incident) => {
                    group::add(incident, &alert, now);
                }
            }
        }
        let mut moved = moved.ok_or_else(|| {
            IncidentError::NotFound("the alerts are not in the store any more".to_owned())
        })?;
        moved.split_from = Some(before.incident_id.clone());
        let text = format!("split from {} by {actor}", before.incident_id);
        moved.note(entry(now, Heading::Respond, "split", text, actor));
        typed::insert(self.documents.as_ref(), &moved, now).await?;
        self.change(&before.incident_id, now, |incident| {
            incident.alert_ids.retain(|id| !alert_ids.contains(id));
            let text = format!(
                "{} alerts split into {}",
                alert_ids.len(),
                moved.incident_id
            );
            incident.note(entry(now, Heading::Respond, "split", text, actor));
            true
        })
        .await?;
        Ok(moved)
    }

    async fn change(
        &self,
        id: &str,
        now: Timestamp,
        mut work: impl FnMut(&mut Incident) -> bool + Send,
    ) -> Result<Incident, IncidentError> {
        let store = self.documents.as_ref();
        let changed = typed::change(store, id, now, |incident| (work(incident), ())).await?;
        changed
            .map(|(incident, ())| incident)
            .ok_or_else(|| IncidentError::NotFound(format!("there is no incident {id}")))
    }
}

fn entry(
    time: Timestamp,
    heading: Heading,
    kind: &str,
    text: String,
    actor: &str,
) -> TimelineEntry {
    TimelineEntry {
        time,
        heading,
        kind: kind.to_owned(),
        text,
        actor: actor.to_owned(),
        key: String::new(),
    }
}

fn apply(incident: &mut Incident, update: &Update, actor: &str, now: Timestamp) {
    incident.last_activity = now;
    if let Some(title) = &update.title {
        incident.title.clone_from(title);
    }
    if let Some(severity) = update.severity {
        incident.severity = Some(severity);
        incident.severity_is_set = true;
        let text = format!("severity set to {severity}");
        incident.note(entry(now, Heading::Detect, "severity", text, actor));
    }
    if let Some(owner) = &update.owner {
        incident.owner.clone_from(owner);
        incident.clocks.acknowledged.get_or_insert(now);
        let text = format!("assigned to {owner}");
        incident.note(entry(now, Heading::Respond, "owner", text, actor));
        if incident.status == IncidentStatus::New {
            incident.status = IncidentStatus::Active;
        }
    }
    if let Some(disposition) = update.disposition {
        incident.disposition = disposition;
        let text = format!("judged {}", disposition.as_str());
        incident.note(entry(now, Heading::Improve, "disposition", text, actor));
    }
    if let Some(status) = update.status {
        set_status(incident, status, actor, now);
    }
    if let Some(text) = update.comment.as_ref().filter(|text| !text.is_empty())
        && incident.comments.len() < ENTRIES_MAX
    {
        incident.comments.push(Comment {
            time: now,
            author: actor.to_owned(),
            text: text.clone(),
        });
    }
}

fn set_status(incident: &mut Incident, status: IncidentStatus, actor: &str, now: Timestamp) {
    let was = incident.status;
    incident.status = status;
    let clocks = &mut incident.clocks;
    let heading = match status {
        IncidentStatus::New | IncidentStatus::Merged => Heading::Detect,
        IncidentStatus::Active => {
            clocks.acknowledged.get_or_insert(now);
            Heading::Respond
        }
        IncidentStatus::Contained => {
            clocks.acknowledged.get_or_insert(now);
            clocks.contained.get_or_insert(now);
            Heading::Respond
        }
        IncidentStatus::Closed => {
            clocks.closed = Some(now);
            Heading::Recover
        }
    };
    if was == IncidentStatus::Closed && status != IncidentStatus::Closed {
        clocks.closed = None;
        incident.reopened += 1;
    }
    let text = format!("{} → {}", was.as_str(), status.as_str());
    incident.note(entry(now, heading, "status", text, actor));
}

/// Takes over what another incident gathered besides its alerts.
fn absorb(incident: &mut Incident, from: &Incident, actor: &str, now: Timestamp) {
    incident.group_keys.extend(from.group_keys.iter().cloned());
    incident.comments.extend(from.comments.iter().cloned());
    incident.comments.sort_by_key(|comment| comment.time);
    for task in &from.tasks {
        incident.add_task(task);
    }
    for item in &from.timeline {
        if item.key != "opened" && item.key != "first_probe" {
            incident.note(item.clone());
        }
    }
    for (list, more) in [
        (&mut incident.run_ids, &from.run_ids),
        (&mut incident.evidence, &from.evidence),
    ] {
        for item in more {
            if !list.contains(item) {
                list.push(item.clone());
            }
        }
    }
    for entity in &from.entities {
        if !incident.entities.contains(entity) {
            incident.entities.push(Entity::clone(entity));
        }
    }
    let text = format!("{} became part of this one", from.incident_id);
    let mut note = entry(now, Heading::Respond, "merge", text, actor);
    note.key = format!("merge:{}", from.incident_id);
    incident.note(note);
}
