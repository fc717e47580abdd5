{{/* Names, labels and images: one place each. */}}

{{- define "signalbox.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "signalbox.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "signalbox.labels" -}}
{{ include "signalbox.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: signalbox
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Of what is not one of the roles: (dict "root" $ "component" "migrate"). */}}
{{- define "signalbox.componentLabels" -}}
{{ include "signalbox.labels" .root }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* Of pods: nothing that changes without them, so that a new chart alone starts none anew. */}}
{{- define "signalbox.podLabels" -}}
{{ include "signalbox.selector" .root }}
app.kubernetes.io/part-of: signalbox
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* (dict "root" $ "image" .Values.image.server, "over" of a canary): a digest wins over a tag. */}}
{{- define "signalbox.image" -}}
{{- $image := mergeOverwrite (deepCopy .image) (omit (default dict .over) "repository" | deepCopy) -}}
{{- if and .over (dig "tag" "" .over) (not (dig "digest" "" .over)) -}}
{{- $image = omit $image "digest" -}}
{{- end -}}
{{- $registry := default .root.Values.image.registry (dig "imageRegistry" "" .root.Values.global) -}}
{{- if $registry -}}{{ trimSuffix "/" $registry }}/{{- end -}}
{{- $image.repository -}}
{{- if $image.digest -}}@{{ $image.digest }}{{- else -}}:{{ default .root.Chart.AppVersion $image.tag }}{{- end -}}
{{- end -}}

{{- define "signalbox.pullSecrets" -}}
{{- with concat (default list (dig "imagePullSecrets" list .Values.global)) .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ kindIs "map" . | ternary (get (kindIs "map" . | ternary . dict) "name") . | quote }}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "signalbox.serviceAccount" -}}
{{- if .Values.serviceAccount.name -}}{{ .Values.serviceAccount.name }}
{{- else if .Values.serviceAccount.create -}}{{ include "signalbox.fullname" . }}
{{- else -}}default{{- end -}}
{{- end -}}

{{/* The Secret that the bootstrap Job makes. */}}
{{- define "signalbox.bootstrapSecret" -}}
{{- default (printf "%s-secrets" (include "signalbox.fullname" .)) .Values.secrets.bootstrap.secretName -}}
{{- end -}}

{{- define "signalbox.cnpgCluster" -}}
{{- printf "%s-db" (include "signalbox.fullname" .) -}}
{{- end -}}

{{/* Where each credential lies, as {secret, key}; empty where there is none. One list for pods, Jobs and refusals. */}}
{{- define "signalbox.credentials" -}}
{{- $v := .Values -}}
{{- $made := $v.secrets.bootstrap.enabled | ternary (include "signalbox.bootstrapSecret" .) "" -}}
master: { secret: {{ default $made $v.secrets.master.existingSecret | quote }}, key: {{ $v.secrets.master.key | quote }} }
operatorToken: { secret: {{ default $made $v.secrets.operatorToken.existingSecret | quote }}, key: {{ $v.secrets.operatorToken.key | quote }} }
masterKeys: { secret: {{ $v.secrets.masterKeys.existingSecret | quote }}, key: {{ $v.secrets.masterKeys.key | quote }} }
{{- if $v.cnpg.enabled }}
databasePassword: { secret: {{ printf "%s-app" (include "signalbox.cnpgCluster" .) | quote }}, key: password }
{{- else }}
databasePassword: { secret: {{ $v.database.password.existingSecret | quote }}, key: {{ $v.database.password.key | quote }} }
{{- end }}
redisPassword: { secret: {{ $v.redis.password.existingSecret | quote }}, key: {{ $v.redis.password.key | quote }} }
recoveryKey: { secret: {{ $v.backup.recoveryKey.existingSecret | quote }}, key: {{ $v.backup.recoveryKey.key | quote }} }
s3SecretKey: { secret: {{ $v.backup.s3SecretKey.existingSecret | quote }}, key: {{ $v.backup.s3SecretKey.key | quote }} }
databaseUrl: { secret: {{ $v.database.urlFrom.existingSecret | quote }}, key: {{ $v.database.urlFrom.key | quote }} }
databaseReplicaUrls: { secret: {{ $v.database.replicaUrlsFrom.existingSecret | quote }}, key: {{ $v.database.replicaUrlsFrom.key | quote }} }
databaseDirectUrl: { secret: {{ $v.database.directUrlFrom.existingSecret | quote }}, key: {{ $v.database.directUrlFrom.key | quote }} }
redisUrl: { secret: {{ $v.redis.urlFrom.existingSecret | quote }}, key: {{ $v.redis.urlFrom.key | quote }} }
smtpUrl: { secret: {{ $v.smtp.urlFrom.existingSecret | quote }}, key: {{ $v.smtp.urlFrom.key | quote }} }
{{- end -}}

{{- define "signalbox.databaseUrl" -}}
{{- $cluster := .Values.cnpg.enabled | ternary (include "signalbox.cnpgCluster" .) "" -}}
{{- with .Values.database -}}
{{- if $cluster -}}postgres://signalbox@{{ $cluster }}-rw:5432/signalbox
{{- else if .url -}}{{ .url }}
{{- else if .host -}}postgres://{{ .user }}@{{ .host }}:{{ .port }}/{{ .name }}{{ with .parameters }}?{{ . }}{{ end }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "signalbox.databaseReplicaUrls" -}}
{{- if and .Values.cnpg.enabled (gt (int .Values.cnpg.instances) 1) -}}postgres://signalbox@{{ include "signalbox.cnpgCluster" . }}-ro:5432/signalbox
{{- else -}}{{ .Values.database.replicaUrls }}{{- end -}}
{{- end -}}

{{- define "signalbox.redisUrl" -}}
{{- with .Values.redis -}}
{{- if .url -}}{{ .url }}{{- else if .host -}}{{ .tls | ternary "rediss" "redis" }}://{{ .host }}:{{ .port }}{{- end -}}
{{- end -}}
{{- end -}}
