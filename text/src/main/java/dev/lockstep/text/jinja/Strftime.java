// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import java.time.LocalDateTime;
import java.time.format.TextStyle;
import java.time.temporal.IsoFields;
import java.util.Locale;

/// The function `strftime_now`: a date and time by percent codes, in the C locale, without a time
/// zone.
final class Strftime {
    private Strftime() {}

    static String format(LocalDateTime time, String pattern, Budget budget) {
        var output = new Output(budget);
        for (int at = 0; at < pattern.length(); at++) {
            char next = pattern.charAt(at);
            if (next != '%' || at + 1 == pattern.length()) {
                output.append(next);
                continue;
            }
            char code = pattern.charAt(++at);
            boolean bare = code == '-' && at + 1 < pattern.length();
            if (bare) {
                code = pattern.charAt(++at);
            }
            String text = code(time, code);
            output.append(bare ? withoutZeros(text) : text);
        }
        return output.toString();
    }

    private static String withoutZeros(String text) {
        int at = 0;
        while (at < text.length() - 1 && (text.charAt(at) == '0' || text.charAt(at) == ' ')) {
            at++;
        }
        return text.substring(at);
    }

    private static String code(LocalDateTime time, char code) {
        int hour12 = time.getHour() % 12 == 0 ? 12 : time.getHour() % 12;
        int weekday = time.getDayOfWeek().getValue();
        return switch (code) {
            case 'Y' -> Integer.toString(time.getYear());
            case 'y' -> padded(time.getYear() % 100, 2);
            case 'C' -> padded(time.getYear() / 100, 2);
            case 'm' -> padded(time.getMonthValue(), 2);
            case 'd' -> padded(time.getDayOfMonth(), 2);
            case 'e' -> String.format("%2d", time.getDayOfMonth());
            case 'B' -> time.getMonth().getDisplayName(TextStyle.FULL, Locale.ENGLISH);
            case 'b', 'h' ->
                    time.getMonth().getDisplayName(TextStyle.FULL, Locale.ENGLISH).substring(0, 3);
            case 'A' -> time.getDayOfWeek().getDisplayName(TextStyle.FULL, Locale.ENGLISH);
            case 'a' ->
                    time.getDayOfWeek()
                            .getDisplayName(TextStyle.FULL, Locale.ENGLISH)
                            .substring(0, 3);
            case 'H' -> padded(time.getHour(), 2);
            case 'k' -> String.format("%2d", time.getHour());
            case 'I' -> padded(hour12, 2);
            case 'l' -> String.format("%2d", hour12);
            case 'M' -> padded(time.getMinute(), 2);
            case 'S' -> padded(time.getSecond(), 2);
            case 'f' -> padded(time.getNano() / 1000, 6);
            case 'p' -> time.getHour() < 12 ? "AM" : "PM";
            case 'P' -> time.getHour() < 12 ? "am" : "pm";
            case 'j' -> padded(time.getDayOfYear(), 3);
            case 'u' -> Integer.toString(weekday);
            case 'w' -> Integer.toString(weekday % 7);
            case 'U' -> padded((time.getDayOfYear() + 6 - weekday % 7) / 7, 2);
            case 'W' -> padded((time.getDayOfYear() + 6 - (weekday - 1)) / 7, 2);
            case 'V' -> padded(time.get(IsoFields.WEEK_OF_WEEK_BASED_YEAR), 2);
            case 'G' -> Integer.toString(time.get(IsoFields.WEEK_BASED_YEAR));
            case 'D', 'x' -> code(time, 'm') + "/" + code(time, 'd') + "/" + code(time, 'y');
            case 'F' -> code(time, 'Y') + "-" + code(time, 'm') + "-" + code(time, 'd');
            case 'T', 'X' -> code(time, 'R') + ":" + code(time, 'S');
            case 'R' -> code(time, 'H') + ":" + code(time, 'M');
            case 'r' ->
                    code(time, 'I')
                            + ":"
                            + code(time, 'M')
                            + ":"
                            + code(time, 'S')
                            + " "
                            + code(time, 'p');
            case 'c' ->
                    code(time, 'a')
                            + " "
                            + code(time, 'b')
                            + " "
                            + code(time, 'e')
                            + " "
                            + code(time, 'T')
                            + " "
                            + code(time, 'Y');
            case 'Z', 'z' -> "";
            case 'n' -> "\n";
            case 't' -> "\t";
            case '%' -> "%";
            default -> throw new TemplateException("strftime_now does not support '%" + code + "'");
        };
    }

    private static String padded(int number, int width) {
        return String.format("%0" + width + "d", number);
    }
}
