// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.kernels.cpu.CpuOptions;
import dev.lockstep.kernels.cpu.InstructionSet;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.FieldSource;

/// Recorded logits on the instruction sets that other golden tests do not choose: every family and
/// stored type with AVX2, and with `-Dlockstep.long=true` with every set.
class InstructionSetGoldenTest {
    private static final boolean LONG = Boolean.getBoolean("lockstep.long");

    static final List<String> TYPES =
            List.of(
                    "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "IQ4_NL", "Q2_K", "Q3_K_M",
                    "Q4_K_M", "Q5_K_M", "Q6_K");

    @ParameterizedTest
    @FieldSource("dev.lockstep.model.FamilyGoldenTest#FAMILIES")
    void familiesMatchLogitsAndGreedyIds(String name) throws Exception {
        for (InstructionSet set : sets()) {
            try (TestGroup group =
                    TestGroup.load(
                            Fixtures.require("models/" + name), 1, "f32", "f32", ranks(set))) {
                for (Goldens.Case golden : FamilyGoldenTest.goldens(name).cases()) {
                    FamilyGoldenTest.requireLogits(name, group, golden);
                    assertArrayEquals(
                            golden.greedy(),
                            group.greedy(golden.prompt(), golden.greedy().length, 1),
                            set.key());
                }
            }
        }
    }

    @ParameterizedTest
    @FieldSource("TYPES")
    void roundedTypesStayWithinTheBoundsOfTheirRounding(String type) throws Exception {
        for (InstructionSet set : sets()) {
            try (TestGroup group =
                    TestGroup.load(
                            Fixtures.require("gguf/llama-" + type + ".gguf"),
                            1,
                            "auto",
                            "auto",
                            ranks(set))) {
                for (Goldens.Case golden : GgufGoldenTest.goldens(type).cases()) {
                    GgufGoldenTest.assertNear(
                            golden.logits(), GgufGoldenTest.logits(group, golden));
                }
            }
        }
    }

    private static CpuRanks ranks(InstructionSet set) {
        return new CpuRanks(CpuOptions.ofThreads(1).withoutSpinning().with(set));
    }

    private static List<InstructionSet> sets() {
        Stream<InstructionSet> others =
                InstructionSet.available().stream().filter(set -> set != InstructionSet.best());
        List<InstructionSet> sets =
                others.filter(set -> LONG || set == InstructionSet.AVX2).toList();
        assumeTrue(!sets.isEmpty(), "skipped: this machine has no other instruction set to try");
        return sets;
    }
}
