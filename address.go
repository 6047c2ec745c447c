package bursar

import "net/netip"

// PeerAddress is the address of a peer at "IP:port", which failed attempts are counted by; of
// IPv6 its /64, which one peer owns whole. It is the zero Addr for what is no such text.
// Who uses it gives it the connection's peer: forwarded headers anybody can send.
func PeerAddress(remote string) netip.Addr {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	ip := at.Addr().Unmap()
	if ip.Is6() {
		if block, err := ip.Prefix(64); err == nil {
			return block.Addr()
		}
	}
	return ip
}
