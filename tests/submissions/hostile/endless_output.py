# expect: fails=starts blocked=reachable_on_eth0,reachable_from_v1,prints_client_address,prints_message,closes_connection,port_reusable
# Prints lines for ever and never listens.
while True:
    print("client ('192.168.1.11', 40001) message b'hello\\r\\n'")
