//! [`ControlStore`] over SQLite: the trait's methods, each handed to the blocking pool.

mod approvals;
mod documents;
mod policies;
mod tokens;

use async_trait::async_trait;
use atalaya_access::{Approval, ApprovalStatus, Enforcement, MeterState, VirtualKey};
use atalaya_model::Timestamp;

use super::{SqliteStore, database};
use crate::{AdminToken, ControlStore, NewPolicyRevision, PolicyRevision, StoreError};

#[async_trait]
impl ControlStore for SqliteStore {
    async fn version(&self) -> Result<i64, StoreError> {
        let read = "read the data version";
        self.with(read, move |c| {
            c.pragma_query_value(None, "data_version", |row| row.get(0))
                .map_err(database(read))
        })
        .await
    }

    async fn put_key(&self, key: &VirtualKey) -> Result<(), StoreError> {
        let key = key.clone();
        self.with("write a key", move |c| documents::put_key(c, &key))
            .await
    }

    async fn key(&self, id: &str) -> Result<Option<VirtualKey>, StoreError> {
        let id = id.to_owned();
        self.with("find a key", move |c| documents::key(c, &id))
            .await
    }

    async fn keys(&self) -> Result<Vec<VirtualKey>, StoreError> {
        self.with("list keys", |c| documents::keys(c)).await
    }

    async fn put_enforcement(&self, enforcement: &Enforcement) -> Result<(), StoreError> {
        let enforcement = enforcement.clone();
        self.with("write an enforcement", move |c| {
            documents::put_enforcement(c, &enforcement)
        })
        .await
    }

    async fn enforcement(&self, id: &str) -> Result<Option<Enforcement>, StoreError> {
        let id = id.to_owned();
        self.with("find an enforcement", move |c| {
            documents::enforcement(c, &id)
        })
        .await
    }

    async fn enforcements(
        &self,
        holding_at: Option<Timestamp>,
    ) -> Result<Vec<Enforcement>, StoreError> {
        self.with("list enforcements", move |c| {
            documents::enforcements(c, holding_at)
        })
        .await
    }

    async fn put_usage(&self, usage: Vec<(String, Vec<MeterState>)>) -> Result<(), StoreError> {
        self.with("write the use of limits", move |c| {
            documents::put_usage(c, &usage)
        })
        .await
    }

    async fn usage(&self) -> Result<Vec<(String, Vec<MeterState>)>, StoreError> {
        self.with("read the use of limits", |c| documents::usage(c))
            .await
    }

    async fn append_policy(&self, policy: NewPolicyRevision) -> Result<i64, StoreError> {
        self.with("write a policy", move |c| policies::append(c, &policy))
            .await
    }

    async fn latest_policy(&self) -> Result<Option<PolicyRevision>, StoreError> {
        let latest = self.policies(1).await?;
        Ok(latest.into_iter().next())
    }

    async fn policy(&self, number: i64) -> Result<Option<PolicyRevision>, StoreError> {
        self.with("find a policy", move |c| policies::find(c, number))
            .await
    }

    async fn policies(&self, limit: u32) -> Result<Vec<PolicyRevision>, StoreError> {
        self.with("list policies", move |c| policies::list(c, limit))
            .await
    }

    async fn insert_approval(&self, approval: &Approval) -> Result<(), StoreError> {
        let approval = approval.clone();
        self.with("write an approval", move |c| {
            approvals::insert(c, &approval)
        })
        .await
    }

    async fn approval(&self, id: &str) -> Result<Option<Approval>, StoreError> {
        let id = id.to_owned();
        self.with("find an approval", move |c| approvals::find(c, &id))
            .await
    }

    async fn move_approval(
        &self,
        id: &str,
        from: ApprovalStatus,
        to: (ApprovalStatus, Option<String>, Timestamp),
    ) -> Result<bool, StoreError> {
        let id = id.to_owned();
        self.with("change an approval", move |c| {
            approvals::advance(c, &id, from, to)
        })
        .await
    }

    async fn approvals(&self, limit: u32) -> Result<Vec<Approval>, StoreError> {
        self.with("list approvals", move |c| approvals::list(c, limit))
            .await
    }

    async fn insert_admin_token(&self, token: AdminToken) -> Result<(), StoreError> {
        self.with("write an admin token", move |c| tokens::insert(c, &token))
            .await
    }

    async fn admin_tokens(&self) -> Result<Vec<AdminToken>, StoreError> {
        self.with("list admin tokens", |c| tokens::list(c)).await
    }

    async fn revoke_admin_token(&self, id: &str, at: Timestamp) -> Result<bool, StoreError> {
        let id = id.to_owned();
        self.with("revoke an admin token", move |c| tokens::revoke(c, &id, at))
            .await
    }

    async fn node_secret(&self, name: &str, fresh: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        let name = name.to_owned();
        self.with("read a secret", move |c| tokens::secret(c, &name, &fresh))
            .await
    }
}
