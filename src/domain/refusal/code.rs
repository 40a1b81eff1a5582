//! Every reason for which something asked for is not done, as programs see it: a word that stays, and its kind.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// What kind of reason it is: whose move it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What was written cannot be read, or says what nobody can mean.
    Malformed,
    /// Something that was named is not there.
    Unknown,
    /// It cannot be done as things stand.
    Conflict,
    /// Somebody else is at it: later.
    Busy,
    /// Something outside does not answer: again.
    Unavailable,
}

macro_rules! codes {
    ($($kind:ident { $($name:ident $word:literal)* })*) => {
        /// Why it is not done. The words are a contract.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[doc = $word] $name,)*)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$($(Self::$name,)*)*];

            /// The word that programs see.
            pub fn word(self) -> &'static str {
                match self {
                    $($(Self::$name => $word,)*)*
                }
            }

            /// Whose move it is now.
            pub fn kind(self) -> Kind {
                match self {
                    $($(Self::$name)|* => Kind::$kind,)*
                }
            }
        }
    };
}

codes! {
    Malformed {
        AmbiguousCharge "ambiguous_charge"
        AmbiguousDraft "ambiguous_draft"
        Amount "amount"
        BadAmount "bad_amount"
        BadArgument "bad_argument"
        BadUrl "bad_url"
        BackupFolder "backup_folder"
        BelowZero "below_zero"
        BookRefused "book_refused"
        Dates "dates"
        Empty "empty"
        FaultyBook "book"
        FaultyInvoice "invoice"
        FaultyVatTable "vat_table"
        Format "format"
        GoesBack "goes_back"
        Malformed "malformed"
        MissingArgument "missing_argument"
        NoLines "no_lines"
        NotABackup "not_a_backup"
        OutOfOrder "out_of_order"
        Settings "settings"
        Template "template"
        TooFarAhead "too_far_ahead"
        TooLarge "too_large"
        TooLong "too_long"
        UnknownArgument "unknown_argument"
        UnknownFormat "unknown_format"
        UnknownOption "unknown_option"
        UnknownStep "unknown_step"
        UnknownVerb "unknown_verb"
        Unreadable "unreadable"
        // Usage files.
        ColumnMissing "column_missing"
        ColumnRepeated "column_repeated"
        ColumnUnknown "column_unknown"
        FileChanged "file_changed"
        FileDamaged "file_damaged"
        FileEmpty "file_empty"
        FileIsFolder "file_is_folder"
        FileNotUtf8 "file_not_utf8"
        FileTruncated "file_truncated"
        FileUnreadable "file_unreadable"
        FileUnsupported "file_unsupported"
        Forged "forged"
    }
    Unknown {
        EmptyBook "empty_book"
        FileMissing "file_missing"
        NoHome "no_home"
        NoDraft "no_draft"
        UnknownBusinessUnit "unknown_business_unit"
        UnknownCharge "unknown_charge"
        UnknownCode "unknown_code"
        UnknownCustomer "unknown_customer"
        UnknownFile "unknown_file"
        UnknownId "unknown_id"
        UnknownInvoice "unknown_invoice"
        UnknownKind "unknown_kind"
        UnknownLine "unknown_line"
        UnknownMethod "unknown_method"
        UnknownObject "unknown_object"
        UnknownPlan "unknown_plan"
        UnknownPayment "unknown_payment"
        UnknownReport "unknown_report"
        NoVatTable "no_vat_table"
        UnknownRun "unknown_run"
        UnknownSubscription "unknown_subscription"
        UnknownWebhook "unknown_webhook"
        UnknownMetering "unknown_metering"
    }
    Conflict {
        Billed "billed"
        HasSubscriptions "hasSubscriptions"
        NoAccess "no_access"
        NotEntitled "not_entitled"
        OverQuota "over_quota"
        BeforeBooked "before_booked"
        Booked "booked"
        PeriodClosed "period_closed"
        PeriodBefore "period_before"
        BrokenBook "broken_book"
        CannotBook "cannot_book"
        CannotPost "cannot_post"
        ChangedSinceDraft "changed_since_draft"
        ChangesSign "changes_sign"
        Conflict "conflict"
        CreditNote "credit_note"
        Deleted "deleted"
        Document "document"
        Erased "erased"
        Exists "exists"
        ForeignDatabase "foreign_database"
        ExpiredCode "expired_code"
        Gone "gone"
        HashDiffers "hash_differs"
        HomeExists "home_exists"
        InUse "in_use"
        InReview "in_review"
        LateUsageStands "late_usage_stands"
        MoreThanOpen "more_than_open"
        MoreThanPaid "more_than_paid"
        Moved "moved"
        NewerDatabase "newer_database"
        NameChanges "name_changes"
        NoBook "no_book"
        NoDatabase "no_database"
        NoMethod "no_method"
        NoRate "no_rate"
        NoTaxRule "no_tax_rule"
        NotBooked "not_booked"
        NotValid "not_valid"
        NotConfirmed "not_confirmed"
        NotOpen "not_open"
        NotOver "not_over"
        NotReconciled "not_reconciled"
        NotParked "not_parked"
        NothingLeft "nothing_left"
        NothingOpen "nothing_open"
        NothingOwed "nothing_owed"
        NothingPaid "nothing_paid"
        NothingToRebill "nothing_to_rebill"
        NothingToSend "nothing_to_send"
        RefundRefused "refund_refused"
        RestrictedCode "restricted_code"
        RunStands "run_stands"
        SetAside "set_aside"
        SeveralFiles "several_files"
        StillOpen "still_open"
        TooMuch "too_much"
        UsedUp "used_up"
        WrongCurrency "wrong_currency"
        WrongAccount "wrong_account"
        WrongState "wrong_state"
    }
    Busy {
        HomeBusy "home_busy"
        PaymentUnderWay "payment_under_way"
        PostingUnderWay "posting_under_way"
        RunInProgress "run_in_progress"
    }
    Unavailable {
        Backup "backup"
        Database "database"
        Internal "internal"
        Restore "restore"
        Gateway "gateway"
        ImportInProgress "import_in_progress"
    }
}

impl Code {
    /// Whether it is what a usage file holds: the same bytes are refused again, whoever reads them and wherever they lie.
    pub fn is_of_the_file(self) -> bool {
        self.kind() == Kind::Malformed && !matches!(self, Self::FileUnreadable | Self::FileChanged)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        let found = Self::ALL.iter().find(|code| code.word() == word);
        found.copied().ok_or_else(|| D::Error::custom(format!("there is no code {word}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_stands_for_one_code() {
        let mut words: Vec<&str> = Code::ALL.iter().map(|code| code.word()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Code::ALL.len());
    }
}
