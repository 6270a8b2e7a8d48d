# Calls what it is told to by lines of JSON, `{ target, method, metadata }`, and writes a line for each answer: `{ answer }` or `{ code, details }`.
import json
import sys

import grpc

channels = {}
for line in sys.stdin:
    call = json.loads(line)
    target = call["target"]
    if target not in channels:
        channels[target] = grpc.insecure_channel(target)
    who = channels[target].unary_unary(call["method"], request_serializer=str.encode, response_deserializer=bytes.decode)
    try:
        answer = who("", metadata=tuple(call["metadata"].items()), timeout=call["deadlineMs"] / 1000)
        print(json.dumps({"answer": answer}), flush=True)
    except grpc.RpcError as error:
        print(json.dumps({"code": error.code().value[0], "details": error.details()}), flush=True)
