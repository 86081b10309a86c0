//! Approvals in the timeline: one item each, from the question to the outcome.

use crate::fold::timeline::item::{TimelineItem, TimelineKind, millis};
use crate::fold::timeline::{TimelineFold, title};
use crate::model::entry::Entry;
use crate::model::event::{ApprovalRequested, ApprovalResolved};

/// The status of an approval that nobody has given or denied yet.
const PENDING: &str = "pending";

impl TimelineFold {
    /// Somebody is asked. An id that was resolved begins a new item; one that is pending is asked again, which changes nothing.
    pub(crate) fn approval_requested(&mut self, entry: &Entry<'_>, asked: &ApprovalRequested<'_>) {
        let is_pending = |at: &usize| self.items[*at].ended_at.is_none();
        if self.approvals.get(&*asked.approval_id).is_some_and(is_pending) {
            return self.wake(asked.turn_id.as_deref());
        }
        let title = title::approval(asked.kind.as_deref(), asked.message.as_deref());
        let mut item = TimelineItem::new(entry, TimelineKind::Approval, title);
        item.id = Some(asked.approval_id.to_string());
        item.status = Some(PENDING.to_owned());
        let at = self.beside(item, asked.turn_id.as_deref());
        self.approvals.insert(asked.approval_id.to_string(), at);
    }

    /// Somebody decided. The last decision holds.
    pub(crate) fn approval_resolved(&mut self, entry: &Entry<'_>, resolved: &ApprovalResolved<'_>) {
        let known = self.approvals.get(&*resolved.approval_id).copied();
        let at = known.unwrap_or_else(|| {
            let mut item = TimelineItem::new(entry, TimelineKind::Approval, String::new());
            item.id = Some(resolved.approval_id.to_string());
            self.beside(item, None)
        });
        self.approvals.insert(resolved.approval_id.to_string(), at);
        let item = &mut self.items[at];
        item.status = Some(resolved.outcome.to_string());
        item.ended_at = Some(entry.time());
        item.duration_ms = known.is_some().then(|| millis(item.time, entry.time()));
    }
}
