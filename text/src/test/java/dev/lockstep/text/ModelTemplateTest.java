// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.CheckpointException;
import dev.lockstep.checkpoint.GgufBytes;
import dev.lockstep.checkpoint.TokenizerSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class ModelTemplateTest {
    @TempDir private Path folder;

    @Test
    void aBrokenTemplateIsNamedWithItsFileWhereverItIs() throws IOException {
        assertInstanceOf(ModelTemplate.Missing.class, template());
        write("tokenizer_config.json", "{\"chat_template\":\"a\\n{% if %}\"}");
        assertBroken(
                folder.resolve("tokenizer_config.json") + ": chat_template: template line 2: ");
        write("tokenizer_config.json", "{\"chat_template\":5}");
        assertBroken(folder.resolve("tokenizer_config.json") + ": chat_template is 5");
        write("chat_template.json", "{");
        assertBroken(folder.resolve("chat_template.json") + " is not valid JSON");
        write("chat_template.jinja", "{{ 1");
        assertBroken(folder.resolve("chat_template.jinja") + ": template line 1: ");
        Files.write(folder.resolve("chat_template.jinja"), new byte[] {'a', (byte) 0xFF});
        assertBroken(folder.resolve("chat_template.jinja") + " is not UTF-8 text");
        write("chat_template.jinja", "{{ 1 }}");
        assertInstanceOf(ModelTemplate.Usable.class, template());
    }

    @Test
    void aBrokenTemplateOfAGgufFileIsNamed() throws IOException {
        Path file = folder.resolve("model.gguf");
        Files.write(file, GgufBytes.llama().text("tokenizer.chat_template", "{% endif %}").build());
        ModelTemplate template = ModelTemplate.of(TokenizerSource.open(file), Optional.empty());
        String fault = assertInstanceOf(ModelTemplate.Broken.class, template).fault();
        assertTrue(fault.startsWith(file + ": tokenizer.chat_template: template line 1"), fault);
    }

    @Test
    void aFileOfTheUserIsRefusedInOneLine() throws IOException {
        Path file = folder.resolve("own.jinja");
        assertEquals(file + " does not exist", refusal(file));
        write("own.jinja", "{{ messages[0\n}}");
        assertTrue(refusal(file).startsWith(file + ": template line 2: "), refusal(file));
        assertFalse(refusal(file).contains("\n"));
    }

    private static String refusal(Path file) {
        return assertThrows(
                        CheckpointException.class,
                        () -> ModelTemplate.ofFile(file, Optional.empty()))
                .getMessage();
    }

    private ModelTemplate template() {
        return ModelTemplate.of(TokenizerSource.open(folder), Optional.empty());
    }

    private void assertBroken(String start) {
        String fault = assertInstanceOf(ModelTemplate.Broken.class, template()).fault();
        assertTrue(fault.startsWith(start), fault);
    }

    private void write(String name, String content) throws IOException {
        Files.writeString(folder.resolve(name), content);
    }
}
