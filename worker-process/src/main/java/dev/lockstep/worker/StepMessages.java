// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Parser;
import com.google.protobuf.UnsafeByteOperations;
import dev.lockstep.cluster.BlockHash;
import dev.lockstep.kernels.SamplingSettings;
import dev.lockstep.nccl.Communicator;
import dev.lockstep.proto.v1.Admission;
import dev.lockstep.proto.v1.BlockCopy;
import dev.lockstep.proto.v1.BlockList;
import dev.lockstep.proto.v1.Canary;
import dev.lockstep.proto.v1.EncodedOutputs;
import dev.lockstep.proto.v1.Form;
import dev.lockstep.proto.v1.LogitBias;
import dev.lockstep.proto.v1.PromptOutputs;
import dev.lockstep.proto.v1.RefusedSlot;
import dev.lockstep.proto.v1.Row;
import dev.lockstep.proto.v1.Sampled;
import dev.lockstep.proto.v1.SamplingParams;
import dev.lockstep.proto.v1.SlotOutputs;
import dev.lockstep.proto.v1.StepResult;
import dev.lockstep.proto.v1.Token;
import dev.lockstep.proto.v1.TopLogprob;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// Conversions between the messages of steps and the records that a worker runs.
final class StepMessages {
    private StepMessages() {}

    static StepRunner.Formation formation(Form form) {
        return new StepRunner.Formation(
                form.getEpoch(),
                form.getRendezvous(),
                form.getCollectiveId().toByteArray(),
                form.getKvBlocks(),
                form.getMaxNumSeqs(),
                form.getMaxNumBatchedTokens() == 0
                        ? Optional.empty()
                        : Optional.of(form.getMaxNumBatchedTokens()),
                form.getKeepBlocks(),
                form.getCheckInterval());
    }

    /// @param constraints of a rank that samples
    static Step fromProto(dev.lockstep.proto.v1.Step step, Optional<Constraints> constraints) {
        return new Step(
                step.getEpoch(),
                step.getNumber(),
                integers(step.getReleasedSlotsList()),
                step.getAdmittedList().stream()
                        .map(admission -> fromProto(admission, constraints))
                        .toList(),
                step.getCopiesList().stream().map(StepMessages::fromProto).toList(),
                step.getRowsList().stream().map(StepMessages::fromProto).toList());
    }

    private static Step.Admission fromProto(
            Admission admission, Optional<Constraints> constraints) {
        var plain =
                new Step.Admission(
                        admission.getRequestId(),
                        admission.getSlot(),
                        integers(admission.getPromptIdsList()),
                        integers(admission.getOutputIdsList()),
                        SamplingSettings.greedy(),
                        admission.getComputed(),
                        OutputSettings.NONE,
                        admission.getGenerates(),
                        admission.getWithoutKv());
        try {
            SamplingSettings settings =
                    admission.getGenerates() ? settings(admission) : SamplingSettings.greedy();
            OutputSettings outputs = outputs(admission);
            Step.Admission checked = plain.with(settings, outputs);
            return constraints
                    .filter(_ -> !admission.getConstraint().isEmpty())
                    .map(all -> checked.with(all.of(admission.getConstraint(), checked)))
                    .orElse(checked);
        } catch (IllegalArgumentException e) {
            return plain.refused(e.getMessage() + "");
        }
    }

    private static OutputSettings outputs(Admission admission) {
        PromptOutputs outputs = parsed("outputs", admission.getOutputs(), PromptOutputs.parser());
        return new OutputSettings(
                outputs.getFrom(),
                outputs.getLogprobs(),
                outputs.getTopLogprobs(),
                outputs.getHiddenStates(),
                switch (outputs.getPooling()) {
                    case POOLING_UNSPECIFIED -> OutputSettings.Pooling.NONE;
                    case POOLING_MEAN -> OutputSettings.Pooling.MEAN;
                    case POOLING_LAST -> OutputSettings.Pooling.LAST;
                    case POOLING_CLS -> OutputSettings.Pooling.CLS;
                    case POOLING_MAX -> OutputSettings.Pooling.MAX;
                    case POOLING_WEIGHTED_MEAN -> OutputSettings.Pooling.WEIGHTED_MEAN;
                    case UNRECOGNIZED ->
                            throw new IllegalArgumentException(
                                    "pooling " + outputs.getPoolingValue() + " is unknown");
                },
                outputs.getSecondText());
    }

    private static <T> T parsed(String field, ByteString bytes, Parser<T> parser) {
        try {
            return parser.parseFrom(bytes);
        } catch (InvalidProtocolBufferException e) {
            throw new IllegalArgumentException(field + " of an admission cannot be read", e);
        }
    }

    private static Step.Copy fromProto(BlockCopy copy) {
        return new Step.Copy(copy.getKvGroup(), copy.getFrom(), copy.getTo(), copy.getTokens());
    }

    private static Step.Row fromProto(Row row) {
        return new Step.Row(
                row.getSlot(),
                row.getComputed(),
                row.getCount(),
                row.getNewBlocksList().stream()
                        .map(BlockList::getIdsList)
                        .map(StepMessages::integers)
                        .toList(),
                row.getFullHashesList().stream()
                        .map(name -> BlockHash.fromBytes(name.toByteArray()))
                        .toList(),
                integers(row.getIdsList()));
    }

    private static SamplingSettings settings(Admission admission) {
        SamplingParams params =
                parsed("sampling", admission.getSampling(), SamplingParams.parser());
        Map<Integer, Float> bias = new HashMap<>();
        for (LogitBias entry : params.getLogitBiasList()) {
            bias.put(entry.getTokenId(), entry.getBias());
        }
        return SamplingSettings.builder()
                .temperature(params.getTemperature())
                .topP(params.getTopP())
                .topK(params.getTopK())
                .minP(params.getMinP())
                .typicalP(params.hasTypicalP() ? params.getTypicalP() : 1)
                .repetitionPenalty(params.getRepetitionPenalty())
                .frequencyPenalty(params.getFrequencyPenalty())
                .presencePenalty(params.getPresencePenalty())
                .logitBias(bias)
                .seed(params.getSeed())
                .choice(admission.getChoice())
                .minTokens(admission.getMinTokens())
                .maskedIds(integers(admission.getStopTokenIdsList()))
                .allowedIds(integers(params.getAllowedTokenIdsList()))
                .bannedIds(integers(params.getBannedTokenIdsList()))
                .logprobs(params.getLogprobs())
                .topLogprobs(params.getTopLogprobs())
                .build();
    }

    private static int[] integers(List<Integer> list) {
        return list.stream().mapToInt(Integer::intValue).toArray();
    }

    static StepResult toProto(StepOutcome outcome) {
        StepResult.Builder result =
                StepResult.newBuilder()
                        .setEpoch(outcome.epoch())
                        .setNumber(outcome.number())
                        .setComputeMicros(outcome.computeNanos() / 1000);
        outcome.checksum().ifPresent(result::setChecksum);
        if (outcome.waitedNanos() != Communicator.UNKNOWN) {
            result.setWaitedMicros(outcome.waitedNanos() / 1000);
        }
        for (StepOutcome.Refused refused : outcome.refused()) {
            result.addRefused(
                    RefusedSlot.newBuilder().setSlot(refused.slot()).setReason(refused.reason()));
        }
        for (StepOutcome.Sampled sampled : outcome.sampled()) {
            Sampled.Builder message =
                    Sampled.newBuilder()
                            .setSlot(sampled.slot())
                            .setId(sampled.id())
                            .addAllForced(sampled.continuation().forced())
                            .setComplete(sampled.continuation().complete())
                            .setFree(sampled.continuation().free())
                            .setOpen(sampled.continuation().open());
            sampled.logprobs()
                    .ifPresent(
                            logprobs ->
                                    message.setLogprobs(
                                            toProto(sampled.id(), logprobs).toByteString()));
            result.addSampled(message);
        }
        for (StepOutcome.Outputs outputs : outcome.outputs()) {
            result.addOutputs(
                    SlotOutputs.newBuilder().setSlot(outputs.slot()).setOutputs(toProto(outputs)));
        }
        return result.build();
    }

    static Canary toProto(CanaryOutcome canary) {
        return Canary.newBuilder().setToken(canary.token()).setChecksum(canary.checksum()).build();
    }

    private static EncodedOutputs toProto(StepOutcome.Outputs outputs) {
        EncodedOutputs.Builder message =
                EncodedOutputs.newBuilder()
                        .setPosition(outputs.position())
                        .setHiddenSize(outputs.hiddenSize())
                        .setPooled(floats(outputs.pooled(), 0, outputs.pooled().length));
        for (StepOutcome.Sampled token : outputs.nextTokens()) {
            message.addNextTokens(
                    toProto(token.id(), token.logprobs().orElseThrow()).toByteString());
        }
        float[] states = outputs.hiddenStates();
        for (int from = 0; from < states.length; from += outputs.hiddenSize()) {
            message.addHiddenStates(floats(states, from, outputs.hiddenSize()));
        }
        return message.build();
    }

    private static ByteString floats(float[] values, int from, int count) {
        ByteBuffer bytes = ByteBuffer.allocate(Float.BYTES * count).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(values, from, count);
        return UnsafeByteOperations.unsafeWrap(bytes);
    }

    private static Token toProto(int id, StepOutcome.Logprobs logprobs) {
        Token.Builder token = Token.newBuilder().setId(id).setLogprob(logprobs.chosen());
        for (int i = 0; i < logprobs.topIds().length; i++) {
            token.addTopLogprobs(
                    TopLogprob.newBuilder()
                            .setTokenId(logprobs.topIds()[i])
                            .setLogprob(logprobs.top()[i]));
        }
        return token.build();
    }
}
