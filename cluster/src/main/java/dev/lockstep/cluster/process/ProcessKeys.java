// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

import java.time.Duration;
import java.util.List;

/// The settings that more than one process accepts, declared once so that `serve` can pass them on.
public final class ProcessKeys {

    public static final Key<String> ZOOKEEPER =
            Key.text(
                    "zookeeper",
                    "HOST:PORT[,HOST:PORT]",
                    "the ZooKeeper ensemble; serve starts its own when none is given");

    public static final Key<String> CLUSTER =
            Key.memberName("cluster", "clusters of different names can share an ensemble")
                    .orElse("default");

    public static final Key<String> GROUP =
            Key.memberName("group", "the ranks that run one copy of a model, with their scheduler")
                    .orElse("default");

    public static final Key<String> HOST =
            Key.text("host", "ADDRESS", "the address of the public port").orElse("127.0.0.1");

    /// The address of processes that clients do not connect to.
    public static final Key<String> INTERNAL_HOST =
            Key.text(
                            "internal-host",
                            "ADDRESS",
                            "the address to listen on for processes of other hosts")
                    .orElseComputed("none: Unix sockets only");

    public static final Key<Integer> INTERNAL_PORT =
            Key.integer("port", 0, 65535, "the port on --internal-host; 0 takes a free one")
                    .orElse("0");

    public static final Key<Integer> ADMIN_PORT =
            Key.integer(
                            "admin-port",
                            0,
                            65535,
                            "the port of GET /debug/state on the loopback address; 0 is none; serve's schedulers, then its workers, have the next ones")
                    .orElse("0");

    public static final Key<String> ZOOKEEPER_AUTH =
            Key.text(
                            "zookeeper-auth",
                            "PATH",
                            "the file with the user of an ensemble: sasl USER:PASSWORD, or digest USER:PASSWORD")
                    .orElseComputed("the cluster's secret, which lockstep zookeeper demands");

    public static final Key<String> TLS_FOLDER =
            Key.text(
                            "tls-folder",
                            "PATH",
                            "the certificates of lockstep certificates, for --internal-host")
                    .orElseComputed("none: TCP between processes is in the clear");

    public static final Key<String> CLUSTER_SECRET_FILE =
            Key.text(
                            "cluster-secret-file",
                            "PATH",
                            "the file with the secret that the processes of the cluster prove to each other")
                    .orElseComputed("one file for all processes of a user");

    public static final Key<String> RUN_FOLDER =
            Key.text("run-folder", "PATH", "the folder of Unix sockets and logs")
                    .orElseComputed(
                            "a temporary one; serve logs to the user's folder of state, others to standard error");

    public static final Key<Duration> DRAIN_TIMEOUT =
            Key.duration(
                            "drain-timeout",
                            Duration.ZERO,
                            Duration.ofHours(1),
                            "how long running requests may go on after SIGTERM")
                    .orElse("60s");

    public static final Key<Duration> DRAIN_GRACE =
            Key.duration(
                            "drain-grace",
                            Duration.ZERO,
                            Duration.ofMinutes(5),
                            "how long a coordinator that is not ready any more accepts requests after SIGTERM")
                    .orElseComputed(
                            "5s where another coordinator of the cluster is ready, else none");

    /// The default of [#DRAIN_GRACE] where it has any use: load balancers ask that often.
    public static final Duration USUAL_DRAIN_GRACE = Duration.ofSeconds(5);

    public static final Key<Duration> RESUME_WINDOW =
            Key.duration(
                            "resume-window",
                            Duration.ZERO,
                            Duration.ofMinutes(10),
                            "how long a request goes on, and is kept after its end, for a client whose connection broke; 0 is off")
                    .orElse("30s");

    public static final Key<Boolean> PARENT_PIPE =
            Key.flag(
                    "parent-pipe",
                    "stop when standard input says so or ends, and leave SIGTERM to the parent: the launcher's children do");

    public static final Key<String> FAILPOINTS =
            Key.anyText("failpoints", "LIST", "tests only: the faults to inject, and where")
                    .orElse("");

    public static final Key<String> MODEL =
            Key.text(
                            "model",
                            "PATH|NAME|ORG/NAME",
                            "a Hugging Face folder, a .gguf file, a known name or a hub's model")
                    .orElse("smollm2-135m-instruct");

    /// The first name is the one in responses, and the one by which groups and coordinators find
    /// each other.
    public static final Key<List<String>> SERVED_MODEL_NAME =
            Key.texts(
                            "served-model-name",
                            "NAME[,NAME]",
                            "the model's names in requests; responses have the first")
                    .orElseComputed("the model's name");

    public static final Key<String> CHAT_TEMPLATE =
            Key.text("chat-template", "FILE", "a chat template that replaces the model's")
                    .orElseComputed("the model's");

    public static final Key<GenerationConfig> GENERATION_CONFIG =
            Key.choice(
                            "generation-config",
                            GenerationConfig.class,
                            "whether the model's sampling values are the defaults of requests")
                    .orElse("auto");

    public static final int MAX_RANKS = 1024;

    public static final Key<Integer> TENSOR_PARALLEL =
            Key.integer("tensor-parallel", 1, MAX_RANKS, "ranks that share one copy of the model")
                    .orElse("1");

    public static final Key<Integer> RANK =
            Key.integer("rank", 0, MAX_RANKS - 1, "the rank of this worker").orElse("0");

    public static final Key<Device> DEVICE =
            Key.choice("device", Device.class, "what computes: auto takes a GPU where there is one")
                    .orElse("auto");

    public static final Key<List<String>> GPUS =
            Key.texts("gpus", "NUMBER[,NUMBER]", "GPUs by their numbers, one for each rank")
                    .orElseComputed("the first ones");

    public static final Key<String> CUDA_LIBRARIES =
            Key.text(
                            "cuda-libraries",
                            "PATH[:PATH]",
                            "folders to search first for the libraries of CUDA and NCCL")
                    .orElseComputed("those of the toolkit, the loader and Python packages");

    public static final Key<Double> GPU_MEMORY_UTILIZATION =
            Key.decimal(
                            "gpu-memory-utilization",
                            0.05,
                            0.99,
                            "the part of a GPU's memory that Lockstep may use")
                    .orElse("0.92");

    public static final Key<Boolean> DISABLE_CUDA_GRAPH =
            Key.flag("disable-cuda-graph", "launch every op of a decode step by itself");

    public static final Key<Integer> THREADS =
            Key.integer("threads", 1, 4096, "compute threads of CPUs; for serve, of the whole host")
                    .orElseComputed("the cores");

    public static final Key<Dtype> DTYPE =
            Key.choice("dtype", Dtype.class, "compute type of plain weights").orElse("auto");

    public static final Key<KvDtype> KV_DTYPE =
            Key.choice("kv-dtype", KvDtype.class, "type of keys and values").orElse("auto");

    public static final Key<PackedCache> PACKED_CACHE =
            Key.choice(
                            "packed-cache",
                            PackedCache.class,
                            "packed weights in the user's cache folder: a later start reads them into its memory, or maps the file")
                    .orElse("read");

    public static final Key<Integer> MAX_MODEL_LEN =
            Key.integer("max-model-len", 2, 1 << 24, "tokens of a sequence, prompt and output")
                    .orElseComputed("the model's context, or less where KV memory holds less");

    public static final Key<Long> KV_MEMORY =
            Key.bytes("kv-memory", 1, "memory for KV blocks; for serve, of the whole host")
                    .orElseComputed(
                            "on CPUs what max-num-seqs x max-model-len needs, at most half the free memory, and 2G or one longest sequence; on GPUs what is left");

    public static final Key<Integer> MAX_NUM_SEQS =
            Key.integer(
                            "max-num-seqs",
                            1,
                            65536,
                            "sequences that run at once; fewer by default where memory holds fewer")
                    .orElse("64");

    public static final Key<Integer> MAX_NUM_BATCHED_TOKENS =
            Key.integer("max-num-batched-tokens", 1, 1 << 20, "tokens of one step")
                    .orElseComputed("measured: a step of at most 250 ms on CPUs, 50 ms on GPUs");

    /// Values of [#DEVICE].
    public enum Device {
        AUTO,
        CPU,
        CUDA
    }

    /// Values of [#DTYPE].
    public enum Dtype {
        AUTO,
        F32,
        BF16
    }

    /// Values of [#KV_DTYPE].
    public enum KvDtype {
        AUTO,
        F32,
        F16,
        BF16,
        FP8,
        Q8
    }

    /// Values of [#PACKED_CACHE].
    public enum PackedCache {
        READ,
        MAP,
        OFF
    }

    /// Values of [#GENERATION_CONFIG].
    public enum GenerationConfig {
        AUTO,
        NONE
    }

    private ProcessKeys() {}
}
