{{/*
What the platform runs, as data: the templates loop over it. Everything that differs between roles and is not the
user's to choose stands here; what he may choose is in values under the same name.
*/}}
{{- define "signalbox.roles" -}}
gateway:
  args: ["--max-semi-space-size=16", "--no-parallel-scavenge", "--no-allocation-site-pretenuring", apps/api/src/main.ts]
  env: { SIGNALBOX_ROLE: gateway }
  port: { name: http, number: 8080 }
  reads: [gateway]
  rate: signalbox_gateway_requests_per_second
operator:
  args: ["--max-semi-space-size=16", "--no-parallel-scavenge", "--no-allocation-site-pretenuring", apps/api/src/main.ts]
  env: { SIGNALBOX_ROLE: operator }
  port: { name: http, number: 8081 }
workers:
  args: ["--max-semi-space-size=4", "--no-parallel-scavenge", apps/workers/src/main.ts]
  env: { SIGNALBOX_ROLE: worker }
relay:
  args: ["--max-semi-space-size=4", "--no-parallel-scavenge", apps/workers/src/relay.ts]
  env: { SIGNALBOX_ROLE: worker }
console:
  isConsole: true
  port: { name: http, number: 3000 }
{{- range $name, $service := .Values.services }}
{{ $name }}:
  isService: true
  args: ["--max-semi-space-size=16", "--no-parallel-scavenge", "--no-allocation-site-pretenuring", apps/api/src/main.ts]
  env:
    SIGNALBOX_ROLE: service
    SIGNALBOX_SERVICES: {{ $service.modules | quote }}
    SIGNALBOX_SERVICE_PORT: "3001"
  port: { name: calls, number: 3001 }
  rate: signalbox_calls_per_second
{{- end }}
{{- end -}}

{{/* The roles that this install runs, each with its values: {name: {spec, values}}. */}}
{{- define "signalbox.running" -}}
{{- $root := . -}}
{{- $running := dict -}}
{{- range $name, $spec := fromYaml (include "signalbox.roles" .) -}}
{{- $_ := set $spec "isService" (default false $spec.isService) -}}
{{- $_ := set $spec "isConsole" (default false $spec.isConsole) -}}
{{- $own := $spec.isService | ternary (get $root.Values.services $name) (get $root.Values.roles $name) -}}
{{- $values := mergeOverwrite (deepCopy $root.Values.defaults) (deepCopy (default dict $own)) -}}
{{- if $values.enabled -}}
{{- $_ := set $running $name (dict "spec" $spec "values" $values) -}}
{{- end -}}
{{- end -}}
{{- toYaml $running -}}
{{- end -}}
