"""Settings of what the site tells people and programs."""

from lunasite.env import Env

# Hosts that a webhook may call although they are private or lack TLS, such as localhost:9000 for a try at home.
WEBHOOK_PRIVATE_HOSTS = Env().hosts("WEBHOOK_PRIVATE_HOSTS")
