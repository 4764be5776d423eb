"""Notifications: inbox messages, mails that can be refused by kind, and the events that webhooks hear of."""
