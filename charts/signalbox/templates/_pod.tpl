{{/* What every pod of this chart shares: who it is, what it may do, what it is told. */}}

{{/* Whole numbers arrive as floats, and large ones would be written with an exponent. */}}
{{- define "signalbox.text" -}}
{{- if kindIs "float64" . -}}
{{- if eq (floor .) . -}}{{ int64 . }}{{- else -}}{{ . }}{{- end -}}
{{- else -}}{{ . }}{{- end -}}
{{- end -}}

{{/* Pod Security "restricted". An id that is null is left out, as OpenShift gives its own. */}}
{{- define "signalbox.podSecurity" -}}
{{- $ids := .Values.podSecurity -}}
runAsNonRoot: true
{{- range $name := list "runAsUser" "runAsGroup" "fsGroup" }}
{{- with get $ids $name }}
{{ $name }}: {{ int64 . }}
{{- end }}
{{- end }}
{{- if $ids.fsGroup }}
fsGroupChangePolicy: OnRootMismatch
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "signalbox.containerSecurity" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* A map of names and {value} or {valueFrom}, so that nothing can be named twice; (dict "root" "credentials" list "env" dict "extra" list). */}}
{{- define "signalbox.environment" -}}
{{- $root := .root -}}
{{- $where := fromYaml (include "signalbox.credentials" $root) -}}
{{- $env := dict -}}
{{- range $name, $value := $root.Values.config -}}
{{- if not (or (kindIs "invalid" $value) (eq (toString $value) "")) -}}
{{- $_ := set $env $name (dict "value" (include "signalbox.text" $value)) -}}
{{- end -}}
{{- end -}}
{{- $files := dict "master" "SIGNALBOX_SECRET_FILE" "masterKeys" "SIGNALBOX_MASTER_KEY_FILE" "operatorToken" "SIGNALBOX_OPERATOR_TOKEN_FILE" "databasePassword" "DATABASE_PASSWORD_FILE" "redisPassword" "REDIS_PASSWORD_FILE" "recoveryKey" "SIGNALBOX_RECOVERY_KEY_FILE" "s3SecretKey" "S3_SECRET_ACCESS_KEY_FILE" -}}
{{- range $credential, $variable := $files -}}
{{- if and (has $credential $.credentials) (get $where $credential).secret -}}
{{- $_ := set $env $variable (dict "value" (printf "/run/secrets/signalbox/%s" $credential)) -}}
{{- end -}}
{{- end -}}
{{- $plain := dict "DATABASE_URL" (include "signalbox.databaseUrl" $root) "DATABASE_DIRECT_URL" $root.Values.database.directUrl "DATABASE_REPLICA_URLS" (include "signalbox.databaseReplicaUrls" $root) "REDIS_URL" (include "signalbox.redisUrl" $root) "SMTP_URL" $root.Values.smtp.url -}}
{{- range $variable, $credential := dict "DATABASE_URL" "databaseUrl" "DATABASE_DIRECT_URL" "databaseDirectUrl" "DATABASE_REPLICA_URLS" "databaseReplicaUrls" "REDIS_URL" "redisUrl" "SMTP_URL" "smtpUrl" -}}
{{- $from := get $where $credential -}}
{{- if $from.secret -}}
{{- $_ := set $env $variable (dict "valueFrom" (dict "secretKeyRef" (dict "name" $from.secret "key" $from.key))) -}}
{{- else if get $plain $variable -}}
{{- $_ := set $env $variable (dict "value" (get $plain $variable)) -}}
{{- end -}}
{{- end -}}
{{- if or $root.Values.ca.existingSecret $root.Values.ca.configMap -}}
{{- $_ := set $env "NODE_EXTRA_CA_CERTS" (dict "value" (printf "/run/ca/%s" $root.Values.ca.key)) -}}
{{- end -}}
{{- range $name, $value := .env -}}
{{- $_ := set $env $name (kindIs "map" $value | ternary $value (dict "value" (include "signalbox.text" $value))) -}}
{{- end -}}
{{- range .extra -}}
{{- $_ := set $env .name (hasKey . "valueFrom" | ternary (dict "valueFrom" .valueFrom) (dict "value" (include "signalbox.text" (default "" .value)))) -}}
{{- end -}}
{{- range $name := keys $env | sortAlpha }}
- name: {{ $name }}
  {{- with get $env $name }}
  {{- if hasKey . "valueFrom" }}
  valueFrom: {{- toYaml .valueFrom | nindent 4 }}
  {{- else }}
  value: {{ .value | quote }}
  {{- end }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* (dict "root" "credentials" list "data" volume source or nil "claim" name or nil "extra" list) */}}
{{- define "signalbox.volumes" -}}
{{- $root := .root -}}
{{- $where := fromYaml (include "signalbox.credentials" $root) -}}
{{- $sources := list -}}
{{- range $credential := .credentials -}}
{{- $from := get $where $credential -}}
{{- if $from.secret -}}
{{- $sources = append $sources (dict "secret" (dict "name" $from.secret "items" (list (dict "key" $from.key "path" $credential)))) -}}
{{- end -}}
{{- end -}}
{{- $volumes := list (dict "name" "tmp" "emptyDir" (dict "sizeLimit" "256Mi")) -}}
{{- if .data -}}{{- $volumes = append $volumes (dict "name" "data" "emptyDir" .data) -}}{{- end -}}
{{- if .claim -}}{{- $volumes = append $volumes (dict "name" "backups" "persistentVolumeClaim" (dict "claimName" .claim)) -}}{{- end -}}
{{- with $sources -}}
{{- $volumes = append $volumes (dict "name" "credentials" "projected" (dict "defaultMode" 288 "sources" .)) -}}
{{- end -}}
{{- with $root.Values.ca -}}
{{- if .existingSecret -}}
{{- $volumes = append $volumes (dict "name" "ca" "secret" (dict "secretName" .existingSecret "items" (list (dict "key" .key "path" .key)))) -}}
{{- else if .configMap -}}
{{- $volumes = append $volumes (dict "name" "ca" "configMap" (dict "name" .configMap "items" (list (dict "key" .key "path" .key)))) -}}
{{- end -}}
{{- end -}}
{{- include "signalbox.merged" (dict "ours" $volumes "extra" .extra "key" "name") -}}
{{- end -}}

{{- define "signalbox.mounts" -}}
{{- $root := .root -}}
{{- $where := fromYaml (include "signalbox.credentials" $root) -}}
{{- $mounts := list (dict "name" "tmp" "mountPath" "/tmp") -}}
{{- if .data -}}{{- $mounts = append $mounts (dict "name" "data" "mountPath" "/data") -}}{{- end -}}
{{- if .claim -}}{{- $mounts = append $mounts (dict "name" "backups" "mountPath" "/backups") -}}{{- end -}}
{{- $hasCredential := false -}}
{{- range $credential := .credentials -}}
{{- if (get $where $credential).secret -}}{{- $hasCredential = true -}}{{- end -}}
{{- end -}}
{{- if $hasCredential -}}{{- $mounts = append $mounts (dict "name" "credentials" "mountPath" "/run/secrets/signalbox" "readOnly" true) -}}{{- end -}}
{{- if or $root.Values.ca.existingSecret $root.Values.ca.configMap -}}
{{- $mounts = append $mounts (dict "name" "ca" "mountPath" "/run/ca" "readOnly" true) -}}
{{- end -}}
{{- include "signalbox.merged" (dict "ours" $mounts "extra" .extra "key" "mountPath") -}}
{{- end -}}

{{/* The user's own take the place of ours with the same key; (dict "ours" list "extra" list "key"). */}}
{{- define "signalbox.merged" -}}
{{- $key := .key -}}
{{- $taken := dict -}}
{{- range .extra -}}{{- $_ := set $taken (get . $key) . -}}{{- end -}}
{{- $all := list -}}
{{- range .ours -}}{{- if not (hasKey $taken (get . $key)) -}}{{- $all = append $all . -}}{{- end -}}{{- end -}}
{{- range $name := keys $taken | sortAlpha -}}{{- $all = append $all (get $taken $name) -}}{{- end -}}
{{- toYaml $all -}}
{{- end -}}

{{- define "signalbox.placement" -}}
{{- with .priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* A one-off pod (Job, test): (dict "root" "component" "args" "credentials" "env" "resources" "serviceAccount" "mountsToken"). */}}
{{- define "signalbox.oneOff" -}}
{{- $root := .root -}}
metadata:
  labels: {{- include "signalbox.podLabels" (dict "root" $root "component" .component) | nindent 4 }}
spec:
  restartPolicy: {{ default "Never" .restartPolicy }}
  serviceAccountName: {{ .serviceAccount | quote }}
  automountServiceAccountToken: {{ default false .mountsToken }}
  enableServiceLinks: false
  {{- with (include "signalbox.pullSecrets" $root | trim) }}{{ . | nindent 2 }}{{ end }}
  securityContext: {{- include "signalbox.podSecurity" $root | nindent 4 }}
  {{- with (include "signalbox.placement" $root.Values.defaults | trim) }}{{ . | nindent 2 }}{{ end }}
  containers:
    - name: {{ .component }}
      image: {{ include "signalbox.image" (dict "root" $root "image" $root.Values.image.server "over" .image) | quote }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      args: {{- toYaml .args | nindent 8 }}
      {{- if .isAlone }}
      env: {{- include "signalbox.plainEnvironment" (dict "env" .env "extra" list) | trim | nindent 8 }}
      {{- else }}
      env: {{- include "signalbox.environment" (dict "root" $root "credentials" .credentials "env" .env "extra" $root.Values.defaults.extraEnv) | trim | nindent 8 }}
      {{- with $root.Values.defaults.extraEnvFrom }}
      envFrom: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- end }}
      resources: {{- toYaml .resources | nindent 8 }}
      securityContext: {{- include "signalbox.containerSecurity" $root | nindent 8 }}
      volumeMounts: {{- include "signalbox.mounts" (dict "root" $root "credentials" .credentials "data" .data "claim" .claim "extra" $root.Values.defaults.extraVolumeMounts) | nindent 8 }}
  volumes: {{- include "signalbox.volumes" (dict "root" $root "credentials" .credentials "data" .data "claim" .claim "extra" $root.Values.defaults.extraVolumes) | nindent 4 }}
{{- end -}}

{{/* The console is told where the operator API is, and no more. */}}
{{- define "signalbox.plainEnvironment" -}}
{{- $env := dict -}}
{{- range $name, $value := .env -}}{{- $_ := set $env $name (dict "name" $name "value" $value) -}}{{- end -}}
{{- range .extra -}}{{- $_ := set $env .name (hasKey . "value" | ternary (dict "name" .name "value" (include "signalbox.text" (default "" .value))) .) -}}{{- end -}}
{{- range $name := keys $env | sortAlpha }}
- {{ toYaml (get $env $name) | nindent 2 | trim }}
{{- end }}
{{- end -}}
