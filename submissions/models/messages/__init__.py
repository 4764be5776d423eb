"""What the site tells people: messages of the inbox, kinds that are mailed, webhooks and their deliveries."""

from submissions.models.messages.message import Kind, MailChoice, Message
from submissions.models.messages.webhook import Delivery, Webhook

__all__ = ["Delivery", "Kind", "MailChoice", "Message", "Webhook"]
