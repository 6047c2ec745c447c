package httpapi

// Parameters of the path, by what the path names.
type (
	featurePath struct {
		FeatureID string `path:"featureId"`
	}
	currencyPath struct {
		CurrencyID string `path:"currencyId"`
	}
	rateCardPath struct {
		RateCardID string `path:"rateCardId"`
	}
	grantPath struct {
		GrantID string `path:"grantId"`
	}
	apiKeyPath struct {
		KeyID string `path:"keyId"`
	}
	webhookPath struct {
		WebhookID string `path:"webhookId"`
	}
	jobPath struct {
		JobID string `path:"jobId"`
	}
	customerPath struct {
		CustomerID string `path:"customerId"`
	}

	deliveryPath struct {
		webhookPath
		DeliveryID string `path:"deliveryId"`
	}
	entityPath struct {
		customerPath
		EntityID string `path:"entityId"`
	}
	assignmentPath struct {
		customerPath
		AssignmentID string `path:"assignmentId"`
	}
	boostPath struct {
		assignmentPath
		BoostID string `path:"boostId"`
	}
	boostRequestPath struct {
		customerPath
		RequestID string `path:"boostRequestId"`
	}
	reservationPath struct {
		customerPath
		ReservationID string `path:"reservationId"`
	}
	customerFeaturePath struct {
		customerPath
		FeatureID string `path:"featureId"`
	}
	accessTokenPath struct {
		customerPath
		TokenID string `path:"tokenId"`
	}
)
