"""Does as much as its time allows, and says how far it came."""

import time

RESERVE_MS = 500


def handler(event, context):
    before = context.get_remaining_time_in_millis()
    done = 0
    while done < event["steps"] and context.get_remaining_time_in_millis() > RESERVE_MS:
        time.sleep(event["stepMs"] / 1000)
        done += 1
    return {"done": done, "isLess": context.get_remaining_time_in_millis() < before}
