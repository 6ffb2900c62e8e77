package dev.lockstep.worker;

import dev.lockstep.cluster.BlockHash;
import dev.lockstep.kernels.SamplingSettings;
import dev.lockstep.proto.v1.Admission;
import dev.lockstep.proto.v1.BlockCopy;
import dev.lockstep.proto.v1.BlockList;
import dev.lockstep.proto.v1.Form;
import dev.lockstep.proto.v1.LogitBias;
import dev.lockstep.proto.v1.PositionOutputs;
import dev.lockstep.proto.v1.Row;
import dev.lockstep.proto.v1.Sampled;
import dev.lockstep.proto.v1.SamplingParams;
import dev.lockstep.proto.v1.SlotOutputs;
import dev.lockstep.proto.v1.StepResult;
import dev.lockstep.proto.v1.Token;
import dev.lockstep.proto.v1.TopLogprob;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// Steps as they travel, and as a worker runs them.
final class StepMessages {
    private StepMessages() {}

    static StepRunner.Formation formation(Form form) {
        return new StepRunner.Formation(
                form.getEpoch(),
                form.getRendezvous(),
                form.getKvBlocks(),
                form.getMaxNumSeqs(),
                form.getMaxNumBatchedTokens() == 0
                        ? Optional.empty()
                        : Optional.of(form.getMaxNumBatchedTokens()),
                form.getKeepBlocks());
    }

    static Step fromProto(dev.lockstep.proto.v1.Step step) {
        return new Step(
                step.getEpoch(),
                step.getNumber(),
                integers(step.getReleasedSlotsList()),
                step.getAdmittedList().stream().map(StepMessages::fromProto).toList(),
                step.getCopiesList().stream().map(StepMessages::fromProto).toList(),
                step.getRowsList().stream().map(StepMessages::fromProto).toList());
    }

    private static Step.Admission fromProto(Admission admission) {
        return new Step.Admission(
                admission.getRequestId(),
                admission.getSlot(),
                integers(admission.getPromptIdsList()),
                integers(admission.getOutputIdsList()),
                fromProto(admission.getSampling()),
                admission.getComputed(),
                fromProto(admission.getOutputs()),
                admission.getSampling().getMaxTokens() > 0,
                admission.getWithoutKv());
    }

    private static PromptOutputs fromProto(dev.lockstep.proto.v1.PromptOutputs outputs) {
        return new PromptOutputs(
                outputs.getFrom(),
                outputs.getLogprobs(),
                outputs.getTopLogprobs(),
                outputs.getHiddenStates(),
                switch (outputs.getPooling()) {
                    case POOLING_UNSPECIFIED -> PromptOutputs.Pooling.NONE;
                    case POOLING_MEAN -> PromptOutputs.Pooling.MEAN;
                    case POOLING_LAST -> PromptOutputs.Pooling.LAST;
                    case UNRECOGNIZED ->
                            throw new IllegalArgumentException(
                                    "pooling " + outputs.getPoolingValue() + " is unknown");
                });
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
                        .toList());
    }

    private static SamplingSettings fromProto(SamplingParams params) {
        Map<Integer, Float> bias = new HashMap<>();
        for (LogitBias entry : params.getLogitBiasList()) {
            bias.put(entry.getTokenId(), entry.getBias());
        }
        return new SamplingSettings(
                params.getTemperature(),
                params.getTopP(),
                params.getTopK(),
                params.getMinP(),
                params.getRepetitionPenalty(),
                params.getFrequencyPenalty(),
                params.getPresencePenalty(),
                bias,
                params.getSeed(),
                params.getChoice(),
                params.getMinTokens(),
                integers(params.getStopTokenIdsList()),
                params.getLogprobs(),
                params.getTopLogprobs());
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
        for (StepOutcome.Sampled sampled : outcome.sampled()) {
            result.addSampled(
                    Sampled.newBuilder().setSlot(sampled.slot()).setToken(toProto(sampled)));
        }
        for (StepOutcome.Outputs outputs : outcome.outputs()) {
            result.addOutputs(
                    SlotOutputs.newBuilder().setSlot(outputs.slot()).setOutputs(toProto(outputs)));
        }
        return result.build();
    }

    private static PositionOutputs toProto(StepOutcome.Outputs outputs) {
        PositionOutputs.Builder message =
                PositionOutputs.newBuilder()
                        .setPosition(outputs.position())
                        .setHiddenSize(outputs.hiddenSize());
        outputs.nextTokens().forEach(each -> message.addNextTokens(toProto(each)));
        for (float value : outputs.hiddenStates()) {
            message.addHiddenStates(value);
        }
        for (float value : outputs.pooled()) {
            message.addPooled(value);
        }
        return message.build();
    }

    private static Token toProto(StepOutcome.Sampled sampled) {
        Token.Builder token = Token.newBuilder().setId(sampled.id()).setLogprob(sampled.logprob());
        for (int i = 0; i < sampled.topIds().length; i++) {
            token.addTopLogprobs(
                    TopLogprob.newBuilder()
                            .setTokenId(sampled.topIds()[i])
                            .setLogprob(sampled.topLogprobs()[i]));
        }
        return token.build();
    }
}
