/**
 * The Kubernetes objects that we build and read, cut down to the fields that we use. Written here so
 * that pure code depends on no client library.
 */

/** What every object has. */
export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
}

/** metav1.ObjectMeta. */
export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly OwnerReference[];
}

/** metav1.OwnerReference. */
export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

/** core/v1 Secret. `data` is base64. */
export interface Secret extends KubeObject {
  readonly apiVersion: 'v1';
  readonly kind: 'Secret';
  readonly type?: string;
  readonly data?: Readonly<Record<string, string>>;
}

/** core/v1 ConfigMap. */
export interface ConfigMap extends KubeObject {
  readonly apiVersion: 'v1';
  readonly kind: 'ConfigMap';
  readonly data: Readonly<Record<string, string>>;
}

/** core/v1 Service. */
export interface Service extends KubeObject {
  readonly apiVersion: 'v1';
  readonly kind: 'Service';
  readonly spec: {
    readonly clusterIP?: 'None';
    readonly publishNotReadyAddresses?: boolean;
    readonly selector: Readonly<Record<string, string>>;
    readonly ports: readonly ServicePort[];
  };
}

/** One port of a Service. */
interface ServicePort {
  readonly name: string;
  readonly port: number;
  readonly targetPort: string;
  readonly appProtocol?: string;
}

/** policy/v1 PodDisruptionBudget. */
export interface PodDisruptionBudget extends KubeObject {
  readonly apiVersion: 'policy/v1';
  readonly kind: 'PodDisruptionBudget';
  readonly spec: {
    readonly maxUnavailable: number;
    readonly unhealthyPodEvictionPolicy: 'AlwaysAllow' | 'IfHealthyBudget';
    readonly selector: LabelSelector;
  };
}

/** metav1.LabelSelector. */
export interface LabelSelector {
  readonly matchLabels: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: 'DoesNotExist';
  }[];
}

/** core/v1 Node. */
export interface Node extends KubeObject {
  readonly apiVersion: 'v1';
  readonly kind: 'Node';
  readonly spec?: {
    readonly unschedulable?: boolean;
    readonly taints?: readonly { readonly key: string }[];
  };
  readonly status?: {
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
    readonly nodeInfo?: {
      /** Another one after each boot. */
      readonly bootID?: string;
    };
  };
}

/** apps/v1 StatefulSet. */
export interface StatefulSet extends KubeObject {
  readonly apiVersion: 'apps/v1';
  readonly kind: 'StatefulSet';
  readonly spec: StatefulSetSpec;
  readonly status?: {
    readonly observedGeneration?: number;
    readonly replicas?: number;
    readonly readyReplicas?: number;
    readonly updateRevision?: string;
  };
}

/** What a StatefulSet is to be. */
interface StatefulSetSpec {
  readonly replicas: number;
  readonly serviceName: string;
  readonly podManagementPolicy: 'Parallel' | 'OrderedReady';
  readonly updateStrategy: { readonly type: 'OnDelete' | 'RollingUpdate' };
  readonly persistentVolumeClaimRetentionPolicy: {
    readonly whenDeleted: 'Retain' | 'Delete';
    readonly whenScaled: 'Retain' | 'Delete';
  };
  readonly selector: LabelSelector;
  readonly template: PodTemplate;
  readonly volumeClaimTemplates: readonly VolumeClaim[];
}

/** apps/v1 Deployment. */
export interface Deployment extends KubeObject {
  readonly apiVersion: 'apps/v1';
  readonly kind: 'Deployment';
  readonly spec: {
    readonly replicas: number;
    /** How long a new pod has to be ready before it counts as available, and the next old one goes. */
    readonly minReadySeconds: number;
    readonly strategy: {
      readonly type: 'RollingUpdate';
      readonly rollingUpdate: { readonly maxUnavailable: number; readonly maxSurge: number };
    };
    readonly selector: LabelSelector;
    readonly template: PodTemplate;
  };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly replicas?: number;
    readonly updatedReplicas?: number;
    readonly readyReplicas?: number;
  };
}

/** core/v1 PersistentVolumeClaim, also as the template in a StatefulSet. */
export interface VolumeClaim {
  readonly metadata: ObjectMeta;
  readonly spec: {
    readonly accessModes?: readonly string[];
    readonly storageClassName?: string;
    readonly resources: { readonly requests: { readonly storage: string } };
  };
}

/** core/v1 PersistentVolumeClaim. */
export interface PersistentVolumeClaim extends KubeObject, VolumeClaim {
  readonly apiVersion: 'v1';
  readonly kind: 'PersistentVolumeClaim';
  readonly metadata: ObjectMeta;
  readonly status?: {
    readonly phase?: string;
    readonly capacity?: { readonly storage?: string };
  };
}

/** core/v1 Pod. */
export interface Pod extends KubeObject {
  readonly apiVersion: 'v1';
  readonly kind: 'Pod';
  readonly spec: PodSpec;
  readonly status?: {
    readonly phase?: string;
    readonly podIP?: string;
    readonly conditions?: readonly PodCondition[];
    readonly containerStatuses?: readonly ContainerStatus[];
  };
}

/** One of `status.conditions` of a Pod. */
interface PodCondition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string;
}

/** One of `status.containerStatuses` of a Pod. */
interface ContainerStatus {
  readonly name: string;
  readonly restartCount?: number;
  readonly state?: {
    readonly running?: object;
    readonly waiting?: { readonly reason?: string; readonly message?: string };
    readonly terminated?: { readonly reason?: string; readonly exitCode?: number };
  };
}

/** The template of a workload's pods. */
interface PodTemplate {
  readonly metadata: {
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: PodSpec;
}

/** core/v1 PodSpec. */
export interface PodSpec {
  readonly nodeName?: string;
  readonly automountServiceAccountToken?: boolean;
  readonly enableServiceLinks?: boolean;
  readonly shareProcessNamespace?: boolean;
  readonly terminationGracePeriodSeconds?: number;
  readonly securityContext?: PodSecurityContext;
  readonly imagePullSecrets?: readonly { readonly name: string }[];
  readonly nodeSelector?: Readonly<Record<string, string>>;
  readonly affinity?: object;
  readonly tolerations?: readonly object[];
  readonly topologySpreadConstraints?: readonly TopologySpreadConstraint[];
  readonly containers: readonly Container[];
  readonly volumes?: readonly Volume[];
}

/** Of the whole pod. */
export interface PodSecurityContext {
  readonly runAsNonRoot: boolean;
  readonly runAsUser: number;
  readonly runAsGroup: number;
  readonly fsGroup: number;
  readonly fsGroupChangePolicy: 'OnRootMismatch';
  readonly seccompProfile: { readonly type: 'RuntimeDefault' };
}

/** Spreads pods over zones or nodes. */
interface TopologySpreadConstraint {
  readonly maxSkew: number;
  readonly topologyKey: string;
  readonly whenUnsatisfiable: 'ScheduleAnyway' | 'DoNotSchedule';
  readonly labelSelector: LabelSelector;
}

/** core/v1 Container. */
export interface Container {
  readonly name: string;
  readonly image: string;
  readonly imagePullPolicy: 'IfNotPresent';
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: readonly EnvVar[];
  readonly ports?: readonly {
    readonly name: string;
    readonly containerPort: number;
    readonly protocol: 'TCP';
  }[];
  readonly resources?: object;
  readonly startupProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly livenessProbe?: Probe;
  readonly securityContext: ContainerSecurityContext;
  readonly volumeMounts: readonly VolumeMount[];
}

/** Of one container. */
export interface ContainerSecurityContext {
  readonly allowPrivilegeEscalation: boolean;
  readonly readOnlyRootFilesystem: boolean;
  readonly capabilities: { readonly drop: readonly string[] };
}

/** A literal, a field of the pod, or a key of a Secret. */
export interface EnvVar {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: {
    readonly fieldRef?: { readonly fieldPath: string };
    readonly secretKeyRef?: { readonly name: string; readonly key: string };
  };
}

/** How Kubernetes asks a container how it is. */
export interface Probe {
  readonly grpc?: { readonly port: number };
  readonly httpGet?: { readonly path: string; readonly port: string };
  readonly tcpSocket?: { readonly port: string };
  readonly initialDelaySeconds?: number;
  readonly periodSeconds: number;
  readonly timeoutSeconds: number;
  readonly failureThreshold: number;
}

/** Where a volume appears in a container. */
export interface VolumeMount {
  readonly name: string;
  readonly mountPath: string;
  readonly readOnly?: boolean;
  readonly subPathExpr?: string;
}

/** A key of a Secret and the file that it becomes. */
interface KeyToPath {
  readonly key: string;
  readonly path: string;
}

/** Keys of a Secret among the sources of one volume. */
interface ProjectedSecret {
  readonly secret: {
    readonly name: string;
    readonly items: readonly KeyToPath[];
    /** Whether the Secret and the keys may be missing. */
    readonly optional?: boolean;
  };
}

/** A volume of a pod. */
export interface Volume {
  readonly name: string;
  readonly secret?: {
    readonly secretName: string;
    readonly defaultMode?: number;
    readonly items?: readonly KeyToPath[];
  };
  readonly projected?: { readonly sources: readonly ProjectedSecret[] };
  readonly configMap?: { readonly name: string };
  readonly emptyDir?: { readonly medium?: 'Memory'; readonly sizeLimit?: string };
}
