// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.checkpoint.TinyCheckpoint;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class GrammarCommandTest {
    @TempDir Path folder;

    private static JsonNode run(String line, String... arguments) throws Exception {
        var out = new ByteArrayOutputStream();
        byte[] in = (line.replace('\'', '"') + "\n").getBytes(StandardCharsets.UTF_8);
        new GrammarCommand()
                .run(
                        List.of(arguments),
                        new ByteArrayInputStream(in),
                        new PrintStream(out, true, StandardCharsets.UTF_8));
        return JsonLines.object(out.toString(StandardCharsets.UTF_8));
    }

    private static JsonNode accepted(String line, String... arguments) throws Exception {
        return run(line, arguments).path("accepted");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{'schema':{'type':'integer','minimum':3},'texts':['3','2','30','3 ']} | [true,false,true,false]",
                "{'schema':{'type':'array','items':{'multipleOf':0.5}},'whitespace':'flexible','texts':['[ 1.5 ]','[1.2]']} | [true,false]",
                "{'schema':'{\\'const\\':1}','texts':['1']} | [true]",
                "{'schema':true} | []",
                "{'regex':'a+é','texts':['aé','é','\\ud800']} | [true,false,false]",
                "{'grammar':'root ::= [a-c]+','texts':['abc','']} | [true,false]",
                "{'grammar':'start: /[a-c]+/','texts':['abc','']} | [true,false]",
                "{'choice':['a','b'],'texts':['a','ab','b']} | [true,false,true]"
            })
    void everyTextIsAcceptedOrNot(String line, String expected) throws Exception {
        TinyCheckpoint.write(folder, 1);
        String exact = line.replace("\\'", "\\\"");
        assertEquals(JsonLines.JSON.readTree(expected), accepted(exact));
        assertEquals(JsonLines.JSON.readTree(expected), accepted(exact, "--model=" + folder));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{'schema':{'properties':{'a':{'$dynamicRef':'#b'}}}} | '$dynamicRef' at '/properties/a'",
                "{'regex':'(?<=a)b'} | position",
                "{'grammar':'root ::= x'} | line 1",
                "{'choice':[]} | 0 texts",
                "{'texts':['a']} | none of",
                "{'regex':'a','choice':['a']} | regex and choice",
                "{'regex':'a','texts':[1]} | not a string",
                "{'schema':{},'whitespace':'some'} | whitespace",
                "nothing | not JSON"
            })
    void whatCannotBeCompiledIsAnErrorOfItsLine(String line, String why) throws Exception {
        String error = run(line).path("error").asText();
        assertTrue(error.contains(why.replace('\'', '"')) || error.contains(why), error);
    }

    @Test
    void anExplanationSaysWhereATextLeavesTheConstraint() throws Exception {
        JsonNode explained =
                run("{'regex':'äb(c|d)','texts':['äbc','äbx!','äb']}", "--explain")
                        .path("explained");
        assertEquals(
                JsonLines.JSON.readTree(
                        "[null,{\"at\":2,\"accepted\":\"äb\",\"refused\":\"x!\",\"by\":\"character\"},"
                                + "{\"at\":2,\"accepted\":\"äb\",\"refused\":\"\",\"by\":\"the end\"}]"),
                explained);
    }
}
