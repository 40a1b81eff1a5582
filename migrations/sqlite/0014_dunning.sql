-- The policy that says what happens to an invoice that is not paid (rules.md Y3): a refkey of the book, none for its default.
alter table invoice add column dunning_policy text;
