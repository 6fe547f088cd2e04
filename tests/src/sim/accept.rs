//! Accepting a write: the 202, its activity, and what the activity will change.

use rand::RngExt;
use serde_json::{Value, json};

use super::activity::{Activity, Ending};
use super::call::{Ctx, Reply};
use super::clock::Millis;
use super::effect::Effect;
use super::errors::Fault;
use super::settings::Refusal;

impl Ctx<'_> {
    /// Accepts a write: 202 `{requestId,id}`, and `effect` when the activity ends.
    pub fn accept(&mut self, use_case: &'static str, effect: Effect, id: Option<&str>) -> Reply {
        let mut body = self.schedule(use_case, effect, id);
        if let Some(id) = id.filter(|_| self.settings.reply_ids) {
            body["id"] = id.into();
        }
        Reply::json(202, body)
    }

    /// The same with `{requestId}` alone.
    pub fn accept_plain(&mut self, use_case: &'static str, effect: Effect, id: Option<&str>) -> Reply {
        Reply::json(202, self.schedule(use_case, effect, id))
    }

    /// The same with `{requestId,response:{id}}`, as the Wi-Fi services answer creates.
    pub fn accept_entity(&mut self, use_case: &'static str, effect: Effect, id: &str) -> Reply {
        let mut body = self.schedule(use_case, effect, Some(id));
        if self.settings.reply_ids {
            body["response"] = json!({"id": id});
        }
        Reply::json(202, body)
    }

    /// A refusal in the form the settings ask for: the error itself, or a 202 whose activity fails with it.
    pub fn refuse(&mut self, form: Refusal, use_case: &'static str, fault: Fault) -> Result<Reply, Fault> {
        match form {
            Refusal::Http => Err(fault),
            Refusal::Activity => {
                self.twist.ending = Some(Ending::Fail(fault));
                Ok(self.accept(use_case, Effect::Nothing, None))
            }
        }
    }

    /// What a call without a request id sets going: `first` when the time of the 404 is over, `then` when an activity would end.
    /// No activity can be asked for; the fault plan's orders about activities are for `then`.
    pub fn in_background(&mut self, first: Effect, then: Effect) {
        let (visible_at, due) = self.times();
        let now = self.now;
        let mut begin = Activity::new("", "IN_BACKGROUND", now, Millis::MAX, visible_at);
        begin.effect = first;
        let mut end = Activity::new("", "IN_BACKGROUND", now, Millis::MAX, due);
        end.ending = self.twist.ending.clone().unwrap_or(Ending::Success);
        end.effect = then;
        self.tenant.activities.push(begin);
        self.tenant.activities.push(end);
    }

    /// When an activity accepted now can be seen, and when it ends.
    fn times(&mut self) -> (Millis, Millis) {
        let (shortest, longest) = self.settings.activity_ms;
        let lasts = self.rng.random_range(shortest..=longest.max(shortest));
        let accepted = self.now + self.settings.write_ms;
        let visible_at = accepted + self.twist.hidden_ms.unwrap_or(self.settings.activity_hidden_ms);
        (visible_at, (accepted + lasts).max(visible_at))
    }

    fn schedule(&mut self, use_case: &'static str, effect: Effect, id: Option<&str>) -> Value {
        let (visible_at, due) = self.times();
        let mut activity = Activity::new(&self.request_id, use_case, self.now, visible_at, due);
        activity.ending = self.twist.ending.clone().unwrap_or(Ending::Success);
        activity.entity_ids = id.map(str::to_owned).into_iter().collect();
        activity.effect = effect;
        if self.settings.visible_at_202 && matches!(activity.ending, Ending::Success) {
            let now = self.now;
            if let Err(fault) = self.tenant.apply(std::mem::take(&mut activity.effect), now) {
                activity.ending = Ending::Fail(fault);
            }
        }
        self.tenant.activities.push(activity);
        json!({"requestId": self.request_id})
    }
}
