// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lockstep.cluster.process.SettingsException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ConvertCommandTest {
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--quantize=smoothquant-w8a8 | --quantize=smoothquant-w8a8 needs --calibrate",
                "--quantize=smoothquant-w8a8 --calibrate=t --method=gptq | --quantize=smoothquant-w8a8 is a method of its own: leave --method out",
                "--quantize=smoothquant-w8a8 --calibrate=t --group-size=64 | --group-size is for int4 and int8; --quantize=smoothquant-w8a8 has groups of its own",
                "--quantize=fp8 --group-size=64 | --group-size is for int4 and int8; --quantize=fp8 has groups of its own",
                "--quantize=int8 --smooth-alpha=0.5 | --smooth-alpha is for smoothquant-w8a8; --quantize=int8 smooths nothing",
                "--quantize=int4 --method=awq | --method=awq needs --calibrate",
                "--quantize=int8 --asymmetric | --asymmetric is for int4, not for --quantize=int8",
                "--quantize=fp8 --static-activations | --static-activations needs --calibrate",
                "--quantize=fp8 --kv-scales | --kv-scales needs --calibrate",
                "--quantize=int8 --kv-scales --calibrate=t | --kv-scales is for fp8, not for --quantize=int8",
                "--quantize=fp8 --kv-scales --calibrate=t --method=awq | --method=awq changes the inputs that --static-activations and --kv-scales are for: use gptq or round",
                "--quantize=fp8 --static-activations --calibrate=t --method=awq-gptq | --method=awq-gptq changes the inputs that --static-activations and --kv-scales are for: use gptq or round",
                "--quantize=int4 --method=both | --method: \"both\" is none of round, gptq, awq, awq-gptq",
                "--ranks=2 --quantize=q4_0 | --ranks and --stages write a folder; --quantize=q4_0 writes a .gguf file, use none, int4, int8, fp8, mxfp4 or smoothquant-w8a8",
                "--stages=2 --keep=lm_head* | --keep is for matrices that are quantized: name their type by --quantize",
                "--ranks=2 --group-size=64 | --group-size is for matrices that are quantized: name their type by --quantize",
                "--ranks=2 --smooth-alpha=0.5 | --smooth-alpha is for matrices that are quantized: name their type by --quantize",
                "--ranks=2 --asymmetric | --asymmetric is for matrices that are quantized: name their type by --quantize",
                "--ranks=2 --quantize=none --kv-scales | --kv-scales is for matrices that are quantized: name their type by --quantize",
                "--ranks=0 | --ranks: 0 is outside [1, 1024]",
            })
    void aSettingThatIsNotForTheQuantizationIsRefused(String settings, String expected) {
        assertEquals(expected, refusal("folder", "target", settings));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "1.5 | 1.5 is outside [0.0, 1.0]",
                "-0.1 | -0.1 is outside [0.0, 1.0]",
                "half | \"half\" is neither auto nor a number"
            })
    void alphaIsFromZeroToOne(String alpha, String expected) {
        String settings = "--quantize=smoothquant-w8a8 --calibrate=t --smooth-alpha=" + alpha;
        assertEquals("--smooth-alpha: " + expected, refusal("folder", "target", settings));
    }

    @ParameterizedTest
    @CsvSource({"model.gguf, target, model.gguf", "folder, target.gguf, target.gguf"})
    void aFolderIsCutIntoAFolder(String source, String target, String file) {
        assertEquals(
                "--ranks and --stages cut a folder in Hugging Face layout into another one; %s is a .gguf file"
                        .formatted(file),
                refusal(source, target, "--ranks=2"));
    }

    private static String refusal(String source, String target, String settings) {
        List<String> arguments = new ArrayList<>(List.of(source, target));
        arguments.addAll(Arrays.asList(settings.split(" ")));
        return String.valueOf(
                assertThrows(SettingsException.class, () -> new ConvertCommand().run(arguments))
                        .getMessage());
    }
}
