//! Response as a user would notice it: runs, incidents, evidence, messages.

#[cfg(test)]
mod bundles;
#[cfg(test)]
mod channels;
#[cfg(test)]
mod contained;
#[cfg(test)]
mod grouping;
#[cfg(test)]
mod killed;
#[cfg(test)]
mod labels;
#[cfg(test)]
mod overdue;
#[cfg(test)]
mod receiver;
#[cfg(test)]
mod runs;
#[cfg(test)]
mod webhooks;
#[cfg(test)]
mod world;
