// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.text.ChatTemplate;
import dev.lockstep.text.ChatVariables;
import java.nio.file.Files;
import java.time.Clock;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Published templates turn thinking on and off by the variables that they read.
final class ThinkingSwitchesTest {
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "Qwen3.5-4B | enable_thinking=true | enable_thinking=false",
                "GLM-4.6 | enable_thinking=true | enable_thinking=false",
                "deepseek-ai-DeepSeek-V3.1 | enable_thinking=true, thinking=true | enable_thinking=false, thinking=false",
                "MiniMax-M3 | thinking_mode=enabled | thinking_mode=disabled",
                "tencent-Hy3 | reasoning_effort=high | reasoning_effort=no_think",
                "Cohere2MoE | `` | reasoning_effort=none",
                "Qwen-Qwen2.5-7B-Instruct | `` | ``",
                "deepseek-ai-DeepSeek-R1-Distill-Llama-8B | `` | ``"
            })
    void aTemplateIsToldWhetherToThink(String name, String on, String off) throws Exception {
        String source = Files.readString(Fixtures.require("chat-templates/" + name + ".jinja"));
        ThinkingSwitches switches =
                ThinkingSwitches.of(ChatTemplate.parse(source, "<s>", "</s>"), Clock.systemUTC());
        assertEquals(on, told(switches, true));
        assertEquals(off, told(switches, false));
    }

    private static String told(ThinkingSwitches switches, boolean thinks) {
        ChatVariables plain =
                ChatVariables.of(List.of(Map.of("role", "user", "content", "Hello")), true);
        Map<String, ?> told = switches.with(plain, thinks).others();
        return told.toString().replaceAll("[{}]", "");
    }
}
