// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

/// One token of a template; `text` of a string literal is the decoded value.
record TemplateToken(Kind kind, String text, int line) {
    enum Kind {
        DATA,
        OUTPUT_BEGIN,
        OUTPUT_END,
        BLOCK_BEGIN,
        BLOCK_END,
        NAME,
        STRING,
        INTEGER,
        FLOAT,
        OPERATOR,
        END
    }

    boolean isName(String name) {
        return kind == Kind.NAME && text.equals(name);
    }

    boolean isOperator(String operator) {
        return kind == Kind.OPERATOR && text.equals(operator);
    }

    String described() {
        return switch (kind) {
            case DATA -> "template text";
            case OUTPUT_BEGIN -> "'{{'";
            case OUTPUT_END -> "'}}'";
            case BLOCK_BEGIN -> "'{%'";
            case BLOCK_END -> "'%}'";
            case END -> "the end of the template";
            case NAME, STRING, INTEGER, FLOAT, OPERATOR -> "'" + text + "'";
        };
    }
}
