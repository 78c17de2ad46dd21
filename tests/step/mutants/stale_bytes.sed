# file: workerd/settle.c
# steps: ack
# Some bytes of a reply are those that an earlier one left in the ring.
/reply->reserved = 0;/d
