-- What is billed of a subscription is found by it: its owner may bill to another payer since.
create index billed_line_subscription on billed_line (subscription);
