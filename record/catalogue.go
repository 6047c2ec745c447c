package record

// Catalogue replaces one thing of the catalogue, or keeps a reply.
type Catalogue struct {
	Sort string // entityType, feature, currency, apiKey, secret or reply
	Body []byte // JSON
}

func (*Catalogue) Kind() Kind { return kindCatalogue }

func (r *Catalogue) encode(e *Encoder) {
	e.String(r.Sort)
	e.Bytes(r.Body)
}

func (r *Catalogue) decode(d *Decoder) { r.Sort, r.Body = d.string(), d.bytes() }
