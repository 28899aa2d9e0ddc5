"""Reacts to objects that were put into a bucket."""

import logging
import os.path
import urllib.parse

logger = logging.getLogger()
logger.setLevel(logging.INFO)


def lambda_handler(event, context):
    logger.info("request %s with %d records", context.aws_request_id, len(event["Records"]))
    names = []
    for record in event["Records"]:
        key = urllib.parse.unquote_plus(record["s3"]["object"]["key"], encoding="utf-8")
        names.append("%s/%s" % (record["s3"]["bucket"]["name"], os.path.basename(key)))
    return names
