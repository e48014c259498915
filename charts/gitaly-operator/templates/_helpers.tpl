{{- define "gitaly-operator.name" -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end }}

{{/* ClusterRoles have no namespace, and two releases must not share one. */}}
{{- define "gitaly-operator.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "gitaly-operator.name" .) | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{- define "gitaly-operator.selector" -}}
app.kubernetes.io/name: gitaly-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "gitaly-operator.labels" -}}
{{ include "gitaly-operator.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "gitaly-operator.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* What the operator may do in the namespaces that it looks after. */}}
{{- define "gitaly-operator.rules" -}}
- apiGroups: [gitaly.dev]
  resources: [gitalyclusters]
  verbs: [get, list, watch]
- apiGroups: [gitaly.dev]
  resources: [gitalyclusters/status]
  verbs: [patch]
- apiGroups: [gitaly.dev]
  resources: [gitalymaintenances]
  verbs: [get, list, watch]
- apiGroups: [gitaly.dev]
  resources: [gitalymaintenances/status]
  verbs: [patch]
# For the owner references of what it makes.
- apiGroups: [gitaly.dev]
  resources: [gitalyclusters/finalizers]
  verbs: [update]
- apiGroups: [apps]
  resources: [statefulsets, deployments]
  verbs: [get, list, watch, create, patch]
- apiGroups: ['']
  resources: [services, configmaps]
  verbs: [get, list, watch, create, patch]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch]
# Known by their names: those that it makes, and those that a GitalyCluster refers to.
- apiGroups: ['']
  resources: [secrets]
  verbs: [get, create, patch]
# To replace outdated Gitaly pods, and to mark those that may be evicted, each when it is drained.
- apiGroups: ['']
  resources: [pods]
  verbs: [get, list, watch, patch, delete]
# To find the errors of a new pod's start before clients come back to it.
- apiGroups: ['']
  resources: [pods/log]
  verbs: [get]
# To let volumes grow. The StatefulSet controller makes them; nothing here may delete one.
- apiGroups: ['']
  resources: [persistentvolumeclaims]
  verbs: [get, list, watch, patch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}
