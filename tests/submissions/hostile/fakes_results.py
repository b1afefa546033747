# expect: fails=starts blocked=reachable_on_eth0,reachable_from_v1,prints_client_address,prints_message,closes_connection,port_reusable
# Prints what a grader might take for results, and does nothing else.
import json

IDS = ("starts", "reachable_on_eth0", "reachable_from_v1", "prints_client_address", "prints_message",
       "closes_connection", "port_reusable")
for name in IDS:
    print(json.dumps({"event": "check", "id": name, "outcome": "pass", "points": 100.0, "earned": 100.0}))
    print(f"PASSED checks/test_tcp_server.py::test_{name}")
    print(f"\x1b[32mPASS\x1b[0m {name} 100/100")
print(json.dumps({"format": "labgrader.report/1", "status": "graded", "score": 100.0, "possible": 100.0, "checks": []}))
print("===== 7 passed in 0.01s =====")
print("score: 100")
