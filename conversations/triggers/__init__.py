"""What launches tasks without a person typing, and what tells other systems how they ended.

Schedules (`cron`, `schedules`, `ticker`), inbound webhooks (`inbound`), outbound webhooks
(`outbox` in the event's transaction, `deliveries` and `dispatcher` afterwards).
"""
