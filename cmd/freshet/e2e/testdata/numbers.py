"""Sends the numbers from 0 up to a limit to a topic: numbers.py BROKER TOPIC LIMIT"""

import json
import sys
import time

from kafka import KafkaProducer

broker, topic, limit = sys.argv[1], sys.argv[2], int(sys.argv[3])
producer = KafkaProducer(
    bootstrap_servers=[broker],
    value_serializer=lambda value: json.dumps(value).encode("utf-8"),
)
for i in range(limit):
    producer.send(topic, value={"number": i, "timestamp": time.time()})
producer.flush()
producer.close()
