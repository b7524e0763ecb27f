# Verifies a webhook with the published library of Standard Webhooks: reads {"secret", "headers", "body"} as JSON.
import json
import sys

from standardwebhooks import Webhook

request = json.load(sys.stdin)
Webhook(request["secret"]).verify(request["body"], request["headers"])
print("verified")
