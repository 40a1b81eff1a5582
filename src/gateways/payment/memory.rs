//! A provider in memory, for tests, with answers that a test scripts.

use super::{
    ChargeAnswer, ChargeRequest, GatewayError, LookedUp, PaymentGateway, RefundAnswer, RefundRequest,
};
use crate::Answer;
use domain::ids::AttemptId;
use std::sync::{Mutex, MutexGuard, PoisonError};

type Script = Box<dyn Fn(&ChargeRequest, usize) -> Result<ChargeAnswer, GatewayError> + Send + Sync>;

/// Answers each charge by a script, which sees the request and how many came before it.
pub struct PaymentMemory {
    asked: Mutex<Vec<ChargeRequest>>,
    refunds: Mutex<Vec<RefundRequest>>,
    script: Script,
}

impl PaymentMemory {
    /// Answers by `script`; refunds are always granted.
    pub fn scripted(
        script: impl Fn(&ChargeRequest, usize) -> Result<ChargeAnswer, GatewayError> + Send + Sync + 'static,
    ) -> Self {
        Self { asked: Mutex::default(), refunds: Mutex::default(), script: Box::new(script) }
    }

    /// Every charge asked for, in order, repeats included.
    pub fn asked(&self) -> Vec<ChargeRequest> {
        kept(&self.asked).clone()
    }

    /// Every refund asked for, in order.
    pub fn refunds(&self) -> Vec<RefundRequest> {
        kept(&self.refunds).clone()
    }
}

fn kept<T>(list: &Mutex<Vec<T>>) -> MutexGuard<'_, Vec<T>> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PaymentGateway for PaymentMemory {
    fn name(&self) -> &str {
        "memory"
    }

    fn charge<'a>(&'a self, request: &'a ChargeRequest) -> Answer<'a, Result<ChargeAnswer, GatewayError>> {
        Box::pin(async move {
            let before = {
                let mut asked = kept(&self.asked);
                asked.push(request.clone());
                asked.len() - 1
            };
            (self.script)(request, before)
        })
    }

    /// This provider cannot be asked: the jobs then repeat the charge under its key.
    fn look_up(&self, _: AttemptId) -> Answer<'_, Result<LookedUp, GatewayError>> {
        Box::pin(async {
            Err(GatewayError::Refused { gateway: "memory".to_owned(), why: "no look-up".to_owned() })
        })
    }

    fn refund<'a>(&'a self, request: &'a RefundRequest) -> Answer<'a, Result<RefundAnswer, GatewayError>> {
        Box::pin(async move {
            kept(&self.refunds).push(request.clone());
            Ok(RefundAnswer::Refunded { reference: format!("re_{}", request.id) })
        })
    }
}
