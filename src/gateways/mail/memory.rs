//! Mails kept in memory, for tests, with answers that a test may script.

use super::message::build;
use super::{Delivery, MailTransport};
use crate::Answer;
use domain::mail::Mail;
use std::sync::{Mutex, MutexGuard, PoisonError};

type Script = Box<dyn Fn(&Mail) -> Option<Delivery> + Send + Sync>;

/// Keeps what is sent.
#[derive(Default)]
pub struct MailMemory {
    sent: Mutex<Vec<Mail>>,
    script: Option<Script>,
}

impl MailMemory {
    /// Asks `script` first; where it gives an answer, nothing is kept.
    pub fn scripted(script: impl Fn(&Mail) -> Option<Delivery> + Send + Sync + 'static) -> Self {
        Self { sent: Mutex::default(), script: Some(Box::new(script)) }
    }

    /// Everything sent so far, in order.
    pub fn sent(&self) -> Vec<Mail> {
        self.kept().clone()
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Mail>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MailTransport for MailMemory {
    fn send<'a>(&'a self, mail: &'a Mail) -> Answer<'a, Delivery> {
        Box::pin(async move {
            if let Some(answer) = self.script.as_ref().and_then(|script| script(mail)) {
                return answer;
            }
            if let Err(why) = build(mail) {
                return Delivery::Permanent(why);
            }
            self.kept().push(mail.clone());
            Delivery::Sent("kept".to_owned())
        })
    }
}
