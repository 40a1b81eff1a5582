//! What mail servers tell of mails that they could not deliver (RFC 3464), read from the mail that tells it.

/// A report about one of our mails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryReport {
    /// Of the mail that it is about, `<…@domain>`.
    pub message_id: String,
    pub outcome: ReportOutcome,
    /// Status and words of the server that turned it away: `5.1.1: 550 no such user`.
    pub reason: String,
}

/// What became of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportOutcome {
    /// It will not be delivered.
    Failed,
    /// It is late, was passed on or has arrived: nothing is to be done.
    Passing,
}

/// The mails of a file: one, or those of an mbox.
pub fn mails_of(file: &str) -> Vec<&str> {
    if !file.starts_with("From ") {
        return vec![file];
    }
    let starts = std::iter::once(0).chain(file.match_indices("\nFrom ").map(|(place, _)| place + 1));
    let starts: Vec<usize> = starts.collect();
    let ends = starts.iter().skip(1).copied().chain([file.len()]);
    starts
        .iter()
        .zip(ends)
        .filter_map(|(start, end)| file.get(*start..end)?.split_once('\n'))
        .map(|(_, mail)| mail)
        .collect()
}

/// The report that a mail is; none if it is another one, or does not say which mail it is about.
pub fn read(mail: &str) -> Option<DeliveryReport> {
    let text = mail.replace("\r\n", "\n");
    let (head, body) = text.split_once("\n\n")?;
    let kind = field(head, "content-type")?;
    let is_report = kind.to_ascii_lowercase().contains("multipart/report");
    let boundary = parameter(&kind, "boundary").filter(|_| is_report)?;
    let separator = format!("--{boundary}");
    let parts: Vec<&str> = body.split(separator.as_str()).skip(1).collect();
    let of_kind = |kinds: &[&str]| {
        parts.iter().find_map(|part| {
            let (head, content) = part.trim_start_matches('\n').split_once("\n\n")?;
            let own = field(head, "content-type")?.to_ascii_lowercase();
            kinds.iter().any(|kind| own.starts_with(kind)).then_some(content)
        })
    };
    let status = of_kind(&["message/delivery-status", "message/global-delivery-status"])?;
    let original = of_kind(&["message/rfc822", "text/rfc822-headers", "message/global"])?;
    let original_head = original.trim_start_matches('\n').split("\n\n").next()?;
    let message_id = field(original_head, "message-id")?.trim().to_owned();
    // What comes first tells of the server, each group after it of one recipient: our mails have one.
    let group = status.split("\n\n").find(|group| field(group, "action").is_some())?;
    let (action, code) = (field(group, "action")?, field(group, "status").unwrap_or_default());
    let is_failed = action.trim().eq_ignore_ascii_case("failed");
    let outcome = if is_failed { ReportOutcome::Failed } else { ReportOutcome::Passing };
    let words = field(group, "diagnostic-code").unwrap_or_default();
    let words = words.split_once(';').map_or(words.as_str(), |(_, words)| words).trim();
    let reason =
        [code.trim(), words].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ");
    Some(DeliveryReport { message_id, outcome, reason })
}

/// A field of a head, unfolded; names count in any case.
fn field(head: &str, name: &str) -> Option<String> {
    let mut lines = head.lines();
    let is_named =
        |line: &str| line.split_once(':').is_some_and(|(known, _)| known.trim().eq_ignore_ascii_case(name));
    let first = lines.find(|line| !line.starts_with([' ', '\t']) && is_named(line))?;
    let mut value = first.split_once(':')?.1.trim().to_owned();
    for line in lines.take_while(|line| line.starts_with([' ', '\t'])) {
        value.push(' ');
        value.push_str(line.trim());
    }
    Some(value)
}

/// A parameter of a content type, with or without quotes.
fn parameter(value: &str, name: &str) -> Option<String> {
    value.split(';').skip(1).find_map(|part| {
        let (known, value) = part.split_once('=')?;
        known.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"').to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Postfix writes it.
    fn report(action: &str, status: &str) -> String {
        format!(
            "Return-Path: <>\r\nContent-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"AB/1.relay\"\r\n\
             Subject: Undelivered Mail Returned to Sender\r\n\r\nThis is a MIME message.\r\n\r\n--AB/1.relay\r\n\
             Content-Type: text/plain\r\n\r\nI'm sorry.\r\n\r\n--AB/1.relay\r\nContent-Description: Delivery report\r\n\
             Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; relay.example\r\n\r\n\
             Final-Recipient: rfc822; gone@kaffe.example\r\nAction: {action}\r\nStatus: {status}\r\n\
             Diagnostic-Code: smtp; 550 5.1.1 <gone@kaffe.example>:\r\n    user unknown\r\n\r\n--AB/1.relay\r\n\
             Content-Type: message/rfc822\r\n\r\nMessage-Id: <a-1@nordlys.example>\r\nSubject: Faktura\r\n\r\nHej\r\n\
             Message-ID: <not@this.example>\r\n\r\n--AB/1.relay--\r\n"
        )
    }

    #[test]
    fn a_report_says_which_mail_and_why() {
        let read_failed = read(&report("failed", "5.1.1")).unwrap();
        assert_eq!(read_failed.message_id, "<a-1@nordlys.example>");
        assert_eq!(read_failed.outcome, ReportOutcome::Failed);
        assert_eq!(read_failed.reason, "5.1.1: 550 5.1.1 <gone@kaffe.example>: user unknown");
        for action in ["delayed", "relayed", "delivered", "expanded"] {
            assert_eq!(read(&report(action, "4.4.1")).unwrap().outcome, ReportOutcome::Passing, "{action}");
        }
    }

    #[test]
    fn what_is_no_report_is_none() {
        let whole = report("failed", "5.1.1");
        assert_eq!(read("Subject: Tak\r\n\r\nFor fakturaen"), None);
        assert_eq!(read(""), None);
        assert_eq!(read(&whole.replace("Message-Id: <a-1@nordlys.example>\r\n", "")), None);
        for end in 0..whole.len() {
            let _ = whole.get(..end).map(read); // cut anywhere
        }
    }

    #[test]
    fn an_mbox_holds_several() {
        let one = report("failed", "5.1.1").replace("\r\n", "\n");
        let mbox = format!("From MAILER-DAEMON Mon\n{one}\nFrom someone Tue\nSubject: Hej\n\nHej\n");
        let mails = mails_of(&mbox);
        assert_eq!((mails.len(), read(mails[0]).is_some(), read(mails[1]).is_some()), (2, true, false));
        assert_eq!(mails_of(&one).len(), 1);
    }
}
