# expect: score=100
# What a report that is shown as a page, a table or a shell line might trip over.
import socket

print("<script>fetch('/steal')</script><img src=x onerror=alert(1)>&lt;]]><!--")
print("{{ 7 * 7 }} {% for x in y %} ${HOME} `id` $(id) %s %(name)s {0} '; DROP TABLE reports; --")
print('=HYPERLINK("http://192.0.2.1")', "+1+1", "@SUM(1)", "[red]text[/red]", "\\u001b[31m", "a\tb,c;d\"e")
s = socket.create_server(("", 11200))
c, a = s.accept()
print(a)
print(c.recv(1024))
c.close()
