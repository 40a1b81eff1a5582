//! Mails as `.eml` files: the default, so that a demo or a first run sends nothing to anybody.

use super::dkim::{Dkim, signed};
use super::message::build;
use super::{Delivery, MailTransport};
use crate::files::{Put, put_all};
use crate::{Answer, Doors};
use domain::mail::Mail;
use std::path::{Path, PathBuf};

/// Writes each mail durably to `<folder>/<local part of its Message-ID>.eml`; the same Message-ID overwrites the same
/// file, so that a mail sent twice is one file.
pub struct MailFiles {
    folder: PathBuf,
    doors: Doors,
    dkim: Option<Dkim>,
}

impl MailFiles {
    /// Into this folder, which is made when the first mail comes.
    pub fn new(folder: impl Into<PathBuf>, doors: Doors) -> Self {
        Self { folder: folder.into(), doors, dkim: None }
    }

    /// The same, signed.
    #[must_use]
    pub fn signed(self, dkim: Option<Dkim>) -> Self {
        Self { dkim, ..self }
    }

    /// The file of a mail.
    pub fn path_of(&self, message_id: &str) -> PathBuf {
        let local = message_id.trim_start_matches('<').split('@').next().unwrap_or_default();
        let safe = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
        self.folder.join(format!("{}.eml", local.chars().map(safe).collect::<String>()))
    }
}

impl MailTransport for MailFiles {
    fn send<'a>(&'a self, mail: &'a Mail) -> Answer<'a, Delivery> {
        Box::pin(async move {
            let mut answers = self.send_all(std::slice::from_ref(mail)).await;
            answers.pop().unwrap_or_else(|| Delivery::Unreachable("no answer".to_owned()))
        })
    }

    /// All files are synced together: 500 mails cost hardly more than one.
    fn send_all<'a>(&'a self, mails: &'a [Mail]) -> Answer<'a, Vec<Delivery>> {
        Box::pin(async move {
            let built: Vec<Result<(PathBuf, Vec<u8>), String>> = mails
                .iter()
                .map(|mail| {
                    let bytes = build(mail)?.formatted();
                    Ok((self.path_of(&mail.message_id), signed(self.dkim.as_ref(), bytes, mail)?))
                })
                .collect();
            let doors = self.doors;
            let written = tokio::task::spawn_blocking(move || {
                doors.pass("mail.send.before");
                let files = built.iter().flatten().map(|(path, bytes)| Put { path, bytes });
                let outcome = put_all(&files.collect::<Vec<_>>(), doors).map_err(|e| e.to_string());
                doors.pass("mail.send.after");
                (built.into_iter().map(|b| b.map(|(path, _)| path)).collect::<Vec<_>>(), outcome)
            });
            match written.await {
                Ok((built, outcome)) => built.into_iter().map(|b| answer(b, &outcome)).collect(),
                Err(e) => mails.iter().map(|_| Delivery::Unreachable(format!("writing mail: {e}"))).collect(),
            }
        })
    }
}

fn answer(built: Result<PathBuf, String>, outcome: &Result<(), String>) -> Delivery {
    match (built, outcome) {
        (Err(why), _) => Delivery::Permanent(why),
        (Ok(path), Ok(())) => {
            Delivery::Sent(path.file_name().map(Path::new).unwrap_or(&path).display().to_string())
        }
        (Ok(_), Err(why)) => Delivery::Unreachable(format!("writing mail: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::sample;

    #[tokio::test]
    async fn a_mail_sent_twice_is_one_file_and_a_bad_address_holds_up_nobody() {
        let home = tempfile::tempdir().unwrap();
        let files = MailFiles::new(home.path().join("mail"), Doors::OPEN);
        let mut mails = vec![sample("a@kaffe.example"), sample("not an address"), sample("b@kaffe.example")];
        mails[1].message_id = "<x@nordlys.example>".to_owned();
        for _ in 0..2 {
            let answers = files.send_all(&mails).await;
            assert!(matches!(answers[0], Delivery::Sent(_)), "{answers:?}");
            assert!(matches!(&answers[1], Delivery::Permanent(why) if why.contains("`not an address`")));
            assert!(matches!(answers[2], Delivery::Sent(_)));
        }
        assert_eq!(std::fs::read_dir(home.path().join("mail")).unwrap().count(), 2);
        let text = std::fs::read_to_string(files.path_of(&mails[0].message_id)).unwrap();
        assert!(text.contains("application/pdf"));
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_written_is_transient() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("mail"), b"in the way").unwrap();
        let files = MailFiles::new(home.path().join("mail"), Doors::OPEN);
        assert!(
            matches!(files.send(&sample("a@kaffe.example")).await, Delivery::Unreachable(why) if why.contains("mail"))
        );
    }
}
