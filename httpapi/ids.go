package httpapi

// idsIn names things to act on.
type idsIn struct {
	IDs []string `json:"ids" is:"required,n=1-100,id"`
}

// idsOut names what was acted on.
type idsOut struct {
	IDs []string `json:"ids"`
}

func viewIDs(ids []string) idsOut { return idsOut{ids} }
