//! The controller's words as errors of a task: with none of the batch's secrets in them, its own or another task's.

use shared::job::outcome::TaskError;
use shared::secret::SecretString;

use super::Batch;
use crate::remote::{CallError, clean, mask, mask_cut};

/// Stands for a code that quotes a secret.
const NO_CODE: &str = "CODE_MASKED";

impl Batch {
    fn secrets(&self) -> Vec<SecretString> {
        self.tasks.iter().filter_map(|task| task.secret.clone()).collect()
    }

    /// Why an activity ended as it did. The words are raw: nobody has masked or cut anything before.
    pub(super) fn reason(&self, code: &str, message: &str) -> TaskError {
        let secrets = self.secrets();
        TaskError::new(&without_secrets(code, &secrets), clean(message, &secrets))
    }

    /// Why a call failed. What its own request held is masked and its text is cut already; another task's may be in it.
    pub(super) fn refused(&self, e: &CallError) -> TaskError {
        let secrets = self.secrets();
        let message = mask_cut(&mask(&e.to_message(), &secrets), &secrets);
        TaskError {
            status: e.status(),
            ..TaskError::new(&without_secrets(&e.code(), &secrets), message)
        }
    }
}

fn without_secrets(code: &str, secrets: &[SecretString]) -> String {
    match mask(code, secrets) == code {
        true => code.to_owned(),
        false => NO_CODE.to_owned(),
    }
}
