# SPDX-License-Identifier: BSD-3-Clause
"""Captures for a replay: UDP frames, and nanosecond pcap files of them."""
import struct

START = 1_000_000_000  # seconds of time 0 of a capture
ETHERNET = bytes.fromhex('020000000001020000000002') + b'\x08\x00'


def checksum(header):
    total = sum(struct.unpack(f'!{len(header) // 2}H', header))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def address(text):
    return bytes(map(int, text.split('.')))


def udp_frame(src, dst, sport, dport, size, tos=0, ident=0, payload=b''):
    """An Ethernet frame with size bytes of IP, header and all; no UDP checksum."""
    ip = struct.pack('!BBHHHBBH4s4s', 0x45, tos, size, ident & 0xffff, 0, 64, 17, 0, address(src), address(dst))
    ip = ip[:10] + struct.pack('!H', checksum(ip)) + ip[12:]
    udp = struct.pack('!HHHH', sport, dport, size - 20, 0)
    return ETHERNET + (ip + udp + payload).ljust(size, b'\0')


def write_capture(path, packets):
    """packets: [(ns since START, frame)], in order."""
    with open(path, 'wb') as out:
        out.write(struct.pack('<IHHiIII', 0xa1b23c4d, 2, 4, 0, 0, 65535, 1))
        for ns, data in packets:
            out.write(struct.pack('<IIII', START + ns // 10**9, ns % 10**9, len(data), len(data)) + data)
