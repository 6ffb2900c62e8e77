// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import com.google.protobuf.ByteString;
import dev.lockstep.cluster.BlockHash;
import dev.lockstep.cluster.HostIdentity;
import dev.lockstep.cluster.WorkerProtocol;
import dev.lockstep.cluster.process.Sha256;
import dev.lockstep.cluster.process.Version;
import dev.lockstep.kernels.Device;
import dev.lockstep.model.ComputeTypes;
import dev.lockstep.model.KvGroupLayout;
import dev.lockstep.model.Model;
import dev.lockstep.model.ModelSource;
import dev.lockstep.model.StateShard;
import dev.lockstep.proto.v1.Join;
import dev.lockstep.proto.v1.Joined;
import dev.lockstep.proto.v1.KvGroupInfo;
import dev.lockstep.proto.v1.RankInfo;
import java.util.List;
import java.util.Optional;

/// The answer to a Join: the properties that must be equal on all ranks, and the resources of this
/// rank.
final class JoinReply {
    private final WorkerConfig config;
    private final String incarnation;
    private final Joined joined;
    private final Connector connector;

    JoinReply(
            WorkerConfig config,
            String incarnation,
            ModelSource source,
            Model model,
            ComputeTypes types,
            Device device,
            Rank rank,
            int maxModelLen,
            long activationBytes) {
        this.config = config;
        this.incarnation = incarnation;
        this.connector = rank.connector();
        String settings =
                "max-model-len=%d block-size=%d dtype=%s kv-dtype=%s tensor-parallel=%d"
                        .formatted(
                                maxModelLen,
                                WorkerConfig.BLOCK_SIZE,
                                types.computeName(),
                                types.kvName(),
                                config.tensorParallel());
        RankInfo info =
                RankInfo.newBuilder()
                        .setRank(config.rank())
                        .setHost(config.address().host().orElse("localhost"))
                        .setPid((int) ProcessHandle.current().pid())
                        .setDevice(device.name())
                        .setInstructionSet(device.instructionSet())
                        .setThreads(device.threads())
                        .setShard(source.describe(model))
                        .setWeightBytes(model.weightBytes())
                        .setKvBytes((long) rank.kvBlocks() * rank.bytesPerBlock())
                        .setActivationBytes(activationBytes)
                        .setComputeType(types.computeName())
                        .setKvType(types.kvName())
                        .setWeightType(types.weightsName())
                        .build();
        Joined.Builder builder =
                Joined.newBuilder()
                        .setRank(config.rank())
                        .setProtocolVersion(WorkerProtocol.VERSION)
                        .setBuild(Version.TEXT)
                        .setModel(config.servedModelName())
                        .setModelDigest(source.digest())
                        .setTokenizerDigest(source.tokenizerDigest())
                        .setSettings(settings)
                        .setSettingsDigest(Sha256.hex(settings))
                        .setInstructionSet(device.instructionSet())
                        .setComputeType(types.computeName())
                        .setKvType(types.kvName())
                        .setHost(HostIdentity.current())
                        .setNeedsOneHost(connector.needsOneHost())
                        .setDeviceId(device.id())
                        .putAllVersions(device.versions())
                        .putAllVersions(connector.versions())
                        .setMaxModelLen(maxModelLen)
                        .setVocabSize(source.vocabularySize())
                        .setBlockSize(WorkerConfig.BLOCK_SIZE)
                        .setMaxNumSeqs(config.maxNumSeqs())
                        .setMaxNumBatchedTokens(config.maxNumBatchedTokens().orElse(0))
                        .setPromptSpan(rank.promptSpan())
                        .setKvBlocks(rank.kvBlocks())
                        .setInfo(info)
                        .setIncarnation(incarnation);
        for (KvGroupLayout group : model.kvGroups()) {
            builder.addKvGroups(
                    KvGroupInfo.newBuilder()
                            .setKind(group.kind())
                            .setWindow(group.window())
                            .setBytesPerBlock(group.layout().bytesPerBlock())
                            .setLayers(group.layout().layers()));
        }
        StateShard.of(model.config(), model.shard())
                .ifPresent(
                        states ->
                                builder.addKvGroups(
                                        KvGroupInfo.newBuilder()
                                                .setKind("state")
                                                .setBytesPerBlock(4L * states.floats())
                                                .setLayers(states.layers())));
        this.joined = builder.build();
    }

    /// Returns the announced digest of the model.
    String modelDigest() {
        return joined.getModelDigest();
    }

    /// Returns the reply for an epoch, with a new id for its ranks to meet. The step thread calls
    /// it.
    Joined joined(long epoch, HeldBlocks held) {
        Joined.Builder builder = joined.toBuilder().setEpoch(epoch);
        if (config.rank() == 0 && config.tensorParallel() > 1) {
            builder.setCollectiveId(ByteString.copyFrom(connector.newCollectiveId()));
        }
        for (int group = 0; group < held.kvGroups(); group++) {
            List<Integer> blocks = held.blocks(group);
            ByteString.Output names = ByteString.newOutput(blocks.size() * BlockHash.BYTES);
            for (int block : blocks) {
                byte[] name = held.name(group, block).orElseThrow().toBytes();
                names.write(name, 0, name.length);
            }
            builder.addHeld(
                    dev.lockstep.proto.v1.HeldBlocks.newBuilder()
                            .setKvGroup(group)
                            .addAllBlocks(blocks)
                            .setNames(names.toByteString()));
        }
        return builder.build();
    }

    RankInfo info() {
        return joined.getInfo();
    }

    String incarnation() {
        return incarnation;
    }

    /// Returns why this worker does not match a Join, or empty if it does.
    Optional<String> misfit(Join join) {
        if (join.getGroup().equals(config.group())
                && join.getRank() == config.rank()
                && join.getSize() == config.tensorParallel()) {
            return Optional.empty();
        }
        return Optional.of(
                "asked to be rank %d of %d in group %s; this worker is rank %d of %d in group %s"
                        .formatted(
                                join.getRank(),
                                join.getSize(),
                                join.getGroup(),
                                config.rank(),
                                config.tensorParallel(),
                                config.group()));
    }
}
