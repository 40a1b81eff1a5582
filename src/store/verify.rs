//! The equalities of rules L4 that SQL can check. Each check counts what it looked at and names the first
//! differences ([`crate::verify_books`] has those of booked documents); hashing documents, segments and the chain again is done by the caller from pages
//! ([`crate::document::page`], [`crate::ledger::sealed_page`], [`crate::segment::visible_at`]).

use crate::tx::{Tx, on};
use crate::words::count;

/// How many differences a check names.
const DIFFERENCES_MAX: i64 = 20;

/// One equality.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Stable name, for example `invoice_lines`.
    pub name: &'static str,
    /// How many things were looked at.
    pub count: u64,
    /// The first differences with their numbers; empty if the equality holds.
    pub differences: Vec<String>,
}

impl Check {
    /// Whether the equality holds.
    pub fn is_ok(&self) -> bool {
        self.differences.is_empty()
    }
}

/// A check whose differences are rows of texts, each `{what} {difference}`.
struct Equality {
    name: &'static str,
    /// How many there are.
    total: &'static str,
    /// (what, left, right) where left and right differ; `$1` bounds the rows.
    differing: &'static str,
    /// What left and right are.
    left: &'static str,
    right: &'static str,
}

const EQUALITIES: &[Equality] = &[
    Equality {
        name: "import_rows",
        total: "select count(*) from usage_import where state = 'done'",
        differing: "select file_name, read_rows, accepted_rows + duplicate_rows + rejected_rows
                    from usage_import
                    where state = 'done'
                      and read_rows <> accepted_rows + duplicate_rows + rejected_rows
                    order by number
                    limit $1",
        left: "read",
        right: "accepted + duplicate + rejected",
    },
    Equality {
        name: "import_segments",
        total: "select count(*) from usage_import where state = 'done'",
        differing: "select i.file_name, i.accepted_rows, cast(coalesce(sum(r.row_count), 0) as bigint)
                    from usage_import i
                    left join (select s.import_number, s.row_count
                               from usage_segment s
                               where s.removed_version is null
                                 and s.import_number is not null
                               union all
                               select p.import_number, p.row_count
                               from usage_part p
                               join usage_segment s on s.path = p.path
                               where s.removed_version is null) r on r.import_number = i.number
                    where i.state = 'done'
                    group by i.id, i.file_name, i.accepted_rows
                    having i.accepted_rows <> coalesce(sum(r.row_count), 0)
                    order by i.file_name
                    limit $1",
        left: "accepted",
        right: "rows in segments",
    },
    Equality {
        name: "visible_rows",
        total: "select count(*) from usage_segment where removed_version is null",
        differing: "select 'usage store', a.n, b.n
                    from (select cast(coalesce(sum(accepted_rows), 0) as bigint) as n
                          from usage_import where state = 'done') a,
                         (select cast(coalesce(sum(row_count), 0) as bigint) as n
                          from usage_segment where removed_version is null) b
                    where a.n <> b.n
                    limit $1",
        left: "accepted in all imports",
        right: "rows visible",
    },
    Equality {
        name: "import_numbers",
        total: "select count(*) from usage_import where state = 'done'",
        differing: "select 'imports', count(*), coalesce(max(number), 0)
                    from usage_import
                    where state = 'done'
                    having count(*) <> coalesce(max(number), 0)
                    limit $1",
        left: "done",
        right: "highest number",
    },
    Equality {
        name: "invoice_lines_net",
        total: "select count(*) from invoice",
        differing: "select i.number, i.net_minor, cast(coalesce(sum(l.subtotal_minor), 0) as bigint)
                    from invoice i
                    left join invoice_line l on l.invoice = i.id
                    group by i.id, i.number, i.net_minor
                    having i.net_minor <> coalesce(sum(l.subtotal_minor), 0)
                    order by i.number
                    limit $1",
        left: "net",
        right: "sum of its lines",
    },
    Equality {
        name: "invoice_lines_vat",
        total: "select count(*) from invoice",
        differing: "select i.number, i.vat_minor, cast(coalesce(sum(l.vat_minor), 0) as bigint)
                    from invoice i
                    left join invoice_line l on l.invoice = i.id
                    group by i.id, i.number, i.vat_minor
                    having i.vat_minor <> coalesce(sum(l.vat_minor), 0)
                    order by i.number
                    limit $1",
        left: "VAT",
        right: "sum of its lines' VAT",
    },
    Equality {
        name: "invoice_vat_groups",
        total: "select count(*) from invoice_vat",
        // Rates are written without trailing zeros, so that equal rates are equal texts.
        differing: "select i.number, g.vat_minor, coalesce(l.vat_minor, 0)
                    from invoice_vat g
                    join invoice i on i.id = g.invoice
                    left join (select invoice, tax_category, tax_pct,
                                      cast(sum(subtotal_minor) as bigint) as net_minor,
                                      cast(sum(vat_minor) as bigint) as vat_minor
                               from invoice_line
                               group by invoice, tax_category, tax_pct) l
                      on l.invoice = g.invoice and l.tax_category = g.category and l.tax_pct = g.rate_pct
                    where g.vat_minor <> coalesce(l.vat_minor, 0)
                       or g.net_minor <> coalesce(l.net_minor, 0)
                    order by i.number
                    limit $1",
        left: "VAT of a group",
        right: "VAT of its lines",
    },
    Equality {
        name: "invoice_vat_total",
        total: "select count(*) from invoice",
        differing: "select i.number, i.vat_minor, cast(coalesce(sum(g.vat_minor), 0) as bigint)
                    from invoice i
                    left join invoice_vat g on g.invoice = i.id
                    group by i.id, i.number, i.vat_minor, i.net_minor
                    having i.vat_minor <> coalesce(sum(g.vat_minor), 0)
                        or i.net_minor <> coalesce(sum(g.net_minor), 0)
                    order by i.number
                    limit $1",
        left: "VAT",
        right: "sum of its VAT groups",
    },
    Equality {
        name: "number_series",
        total: "select count(*) from number_series",
        differing: "select s.name, s.next - s.first, count(i.id)
                    from number_series s
                    left join invoice i on i.series = s.name
                    group by s.name, s.first, s.next
                    having s.next - s.first <> count(i.id)
                        or coalesce(min(i.sequence), s.first) <> s.first
                        or coalesce(max(i.sequence), s.first - 1) <> s.next - 1
                    order by s.name
                    limit $1",
        left: "numbers given",
        right: "invoices",
    },
    Equality {
        name: "settlements",
        total: "select count(*) from invoice_settlement",
        differing: "select i.number, s.settled_minor, cast(coalesce(sum(p.amount_minor), 0) as bigint)
                    from invoice_settlement s
                    join invoice i on i.id = s.invoice
                    left join settlement_part p on p.invoice = s.invoice
                    group by i.number, s.settled_minor, s.open_minor, i.net_minor, i.vat_minor
                    having s.settled_minor <> coalesce(sum(p.amount_minor), 0)
                        or s.open_minor <> i.net_minor + i.vat_minor - s.settled_minor
                    order by i.number
                    limit $1",
        left: "settled",
        right: "sum of its parts",
    },
    Equality {
        name: "payments_settled",
        total: "select count(*) from payment_attempt where state = 'paid'",
        differing: "select i.number, a.amount_minor, coalesce(p.amount_minor, 0)
                    from payment_attempt a
                    join invoice i on i.id = a.invoice
                    left join settlement_part p on p.invoice = a.invoice and p.kind = 'payment' and p.source = a.id
                    where a.state = 'paid'
                      and a.amount_minor <> coalesce(p.amount_minor, 0)
                    order by i.number
                    limit $1",
        left: "paid",
        right: "settled by that payment",
    },
    Equality {
        name: "entries_balance",
        total: "select count(*) from ledger_entry",
        differing: "select e.document_number,
                           cast(coalesce(sum(p.debit_minor), 0) as bigint),
                           cast(coalesce(sum(p.credit_minor), 0) as bigint)
                    from ledger_entry e
                    left join ledger_posting p on p.entry = e.id
                    group by e.id, e.document_number
                    having coalesce(sum(p.debit_minor), 0) <> coalesce(sum(p.credit_minor), 0)
                    order by e.document_number
                    limit $1",
        left: "debit",
        right: "credit",
    },
    Equality {
        name: "invoices_in_ledger",
        total: "select count(*) from invoice",
        differing: "select i.number, i.net_minor + i.vat_minor, 0
                    from invoice i
                    where i.net_minor + i.vat_minor <> 0
                      and not exists (select 1 from ledger_entry e
                                      where e.invoice = i.id and e.kind in ('booking', 'credit_note', 'opening'))
                    order by i.number
                    limit $1",
        left: "gross",
        right: "in the ledger",
    },
    Equality {
        name: "ledger_sequence",
        total: "select count(*) from ledger_seal",
        differing: "select 'sequence', count(*), coalesce(max(sequence), 0)
                    from ledger_seal
                    having count(*) <> coalesce(max(sequence), 0)
                    limit $1",
        left: "sealed entries",
        right: "last sequence",
    },
    Equality {
        name: "ledger_sealed",
        total: "select count(*) from ledger_entry",
        differing: "select 'ledger', a.n, b.n + c.n
                    from (select count(*) as n from ledger_entry) a,
                         (select count(*) as n from ledger_seal) b,
                         (select count(*) as n from ledger_unsealed) c
                    where a.n <> b.n + c.n
                    limit $1",
        left: "entries",
        right: "sealed + waiting",
    },
    Equality {
        name: "ledger_links",
        total: "select count(*) from ledger_seal",
        differing: "select 'previous hash of sequence', s.sequence, s.sequence - 1
                    from ledger_seal s
                    left join ledger_seal p on p.sequence = s.sequence - 1
                    where s.sequence > 1
                      and (p.hash is null or p.hash <> s.previous_hash)
                    order by s.sequence
                    limit $1",
        left: "sequence",
        right: "does not follow",
    },
    Equality {
        name: "exports_tile",
        total: "select count(*) from ledger_export",
        differing: "select x.path, x.first_sequence, coalesce(p.last_sequence, 0) + 1
                    from ledger_export x
                    left join ledger_export p on p.ordinal = x.ordinal - 1
                    left join ledger_seal s on s.sequence = x.last_sequence
                    where x.first_sequence <> coalesce(p.last_sequence, 0) + 1
                       or s.hash is null
                       or s.hash <> x.last_hash
                    order by x.ordinal
                    limit $1",
        left: "first sequence",
        right: "where the one before ends",
    },
    Equality {
        name: "closed_runs",
        total: "select count(*) from run where state in ('closed', 'reversed')",
        differing: "select 'run ' || cast(r.ordinal as text),
                           (select count(*) from run_slice s where s.run = r.id and s.state = 'open'),
                           (select count(*) from run_item i where i.run = r.id and i.state = 'open')
                    from run r
                    where r.state in ('closed', 'reversed')
                      and (exists (select 1 from run_slice s where s.run = r.id and s.state = 'open')
                           or exists (select 1 from run_item i where i.run = r.id and i.state = 'open'))
                    order by r.ordinal
                    limit $1",
        left: "open slices",
        right: "open payers",
    },
];

/// Runs every check.
pub async fn all(tx: &mut Tx) -> anyhow::Result<Vec<Check>> {
    let mut checks = Vec::with_capacity(EQUALITIES.len());
    for equality in EQUALITIES {
        checks.push(run(tx, equality).await?);
    }
    checks.extend(crate::verify_books::all(tx).await?);
    Ok(checks)
}

async fn run(tx: &mut Tx, equality: &Equality) -> anyhow::Result<Check> {
    let total: i64 = on!(tx, c => sqlx::query_scalar(equality.total).fetch_one(c).await?);
    let rows: Vec<(String, i64, i64)> =
        on!(tx, c => sqlx::query_as(equality.differing).bind(DIFFERENCES_MAX).fetch_all(c).await?);
    let (left, right) = (equality.left, equality.right);
    Ok(Check {
        name: equality.name,
        count: count(total, equality.name)?,
        differences: rows
            .into_iter()
            .map(|(what, a, b)| format!("{what}: {left} {a}, {right} {b}"))
            .collect(),
    })
}
