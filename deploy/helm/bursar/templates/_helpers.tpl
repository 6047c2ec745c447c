{{- define "bursar.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-{{ .Chart.Name }}{{ end }}
{{- end }}

{{- define "bursar.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "bursar.labels" -}}
{{ include "bursar.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "bursar.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* Secrets that every container needs, as files. */}}
{{- define "bursar.secretEnv" -}}
{{- if .Values.database.existingSecret }}
- {name: BURSAR_DATABASE_URL_FILE, value: /secrets/database/{{ .Values.database.key }}}
{{- end }}
{{- if .Values.adminKey.existingSecret }}
- {name: BURSAR_ADMIN_KEY_FILE, value: /secrets/admin/{{ .Values.adminKey.key }}}
{{- end }}
{{- end }}

{{- define "bursar.secretMounts" -}}
{{- if .Values.database.existingSecret }}
- {name: database, mountPath: /secrets/database, readOnly: true}
{{- end }}
{{- if .Values.adminKey.existingSecret }}
- {name: admin-key, mountPath: /secrets/admin, readOnly: true}
{{- end }}
{{- end }}

{{- define "bursar.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "bursar.pod" -}}
metadata:
  labels:
    {{- include "bursar.labels" . | nindent 4 }}
    {{- with .Values.podLabels }}{{ toYaml . | nindent 4 }}{{ end }}
  {{- with .Values.podAnnotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  automountServiceAccountToken: false
  # Requests get 10 s to finish, the last checkpoint 30 s.
  terminationGracePeriodSeconds: 50
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    fsGroup: 65532
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile: {type: RuntimeDefault}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if .Values.database.existingSecret }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels: {{- include "bursar.selector" . | nindent 10 }}
  initContainers:
    - name: migrate
      image: {{ include "bursar.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [migrate]
      env: {{- include "bursar.secretEnv" . | trim | nindent 8 }}
      volumeMounts: {{- include "bursar.secretMounts" . | trim | nindent 8 }}
      securityContext: {{- include "bursar.containerSecurity" . | nindent 8 }}
  {{- end }}
  containers:
    - name: bursar
      image: {{ include "bursar.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [serve]
      env:
        - {name: BURSAR_LISTEN, value: ":8080"}
        - {name: BURSAR_METRICS_LISTEN, value: ":9090"}
        {{- with include "bursar.secretEnv" . | trim }}{{ . | nindent 8 }}{{ end }}
        {{- range $name, $value := .Values.env }}
        - {name: {{ $name }}, value: {{ $value | quote }}}
        {{- end }}
      ports:
        - {name: http, containerPort: 8080}
        - {name: metrics, containerPort: 9090}
      startupProbe:
        httpGet: {path: /healthz, port: http}
        periodSeconds: 2
        failureThreshold: 150
      livenessProbe:
        httpGet: {path: /healthz, port: http}
        periodSeconds: 10
        failureThreshold: 6
      readinessProbe:
        httpGet: {path: /readyz, port: http}
        periodSeconds: 2
        failureThreshold: 1
      lifecycle:
        preStop:
          sleep: {seconds: 5}  # until no Service sends requests here any more
      resources: {{- toYaml .Values.resources | nindent 8 }}
      securityContext: {{- include "bursar.containerSecurity" . | nindent 8 }}
      volumeMounts:
        {{- if not .Values.database.existingSecret }}
        - {name: data, mountPath: /data}
        {{- end }}
        {{- with include "bursar.secretMounts" . | trim }}{{ . | nindent 8 }}{{ end }}
        {{- with .Values.extraVolumeMounts }}{{ toYaml . | nindent 8 }}{{ end }}
  volumes:
    {{- if .Values.database.existingSecret }}
    - name: database
      secret: {secretName: {{ .Values.database.existingSecret }}, defaultMode: 0440}
    {{- else if .Values.embedded.existingClaim }}
    - name: data
      persistentVolumeClaim: {claimName: {{ .Values.embedded.existingClaim }}}
    {{- end }}
    {{- if .Values.adminKey.existingSecret }}
    - name: admin-key
      secret: {secretName: {{ .Values.adminKey.existingSecret }}, defaultMode: 0440}
    {{- end }}
    {{- with .Values.extraVolumes }}{{ toYaml . | nindent 4 }}{{ end }}
{{- end }}
