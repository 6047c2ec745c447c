package bursar

import "net/netip"

// PeerAddress is the address in "IP:port" by which the failed attempts of a peer are counted. Of
// IPv6 it is the /64, which one peer owns whole. It is the zero Addr if remote is no such text.
// remote has to be the connection's own: a forwarded header is what anybody can send.
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
