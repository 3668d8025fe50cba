#!/usr/bin/python3
"""Manual pages of section 3 from the comments of the public headers, by doxygen.

usage: man3.py DIRECTORY       writes the pages there
       man3.py --filter HEADER doxygen's input filter: the header with comments as doxygen has them

A comment above declarations describes them all. It begins with "NAME - what it is" for each of
them, or with plain text. "@parameter: text" has a line of its own; "Returns", "Switches" or "Does
not switch", and "Like:" at the beginning of a sentence start the parts of a page. Plural verbs
speak of all the declarations. Without a "Returns", what a function is said to be is what it
returns; a question is answered by 1 or 0. "as NAME()", "Otherwise as NAME()" and "the same", which
is as the function before, stand for the parts that are not given. Indented lines are code. A
comment "--- Title ---" begins a group; one behind a member describes the member.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
INCLUDE = os.path.join(TOP, "include")

DOXYFILE = """
PROJECT_NAME           = greenshim
INPUT                  = {include}/green
FILE_PATTERNS          = *.h
INPUT_FILTER           = "/usr/bin/python3 {me} --filter"
STRIP_FROM_PATH        = {include}
STRIP_FROM_INC_PATH    = {include}
OUTPUT_DIRECTORY       = {out}
QUIET                  = YES
WARN_IF_INCOMPLETE_DOC = NO
WARN_IF_UNDOCUMENTED   = NO
GENERATE_HTML          = NO
GENERATE_LATEX         = NO
GENERATE_MAN           = YES
MAN_LINKS              = YES
MARKDOWN_SUPPORT       = NO
OPTIMIZE_OUTPUT_FOR_C  = YES
TYPEDEF_HIDES_STRUCT   = YES
SHOW_INCLUDE_FILES     = NO
SORT_MEMBER_DOCS       = NO
MAX_INITIALIZER_LINES  = 0
EXCLUDE_SYMBOLS        = GREEN_API *_H green_timeout_cleanup
INLINE_SIMPLE_STRUCTS  = YES
MACRO_EXPANSION        = YES
EXPAND_ONLY_PREDEF     = YES
PREDEFINED             = GREEN_API= __attribute__(x)= __cplusplus=
"""

# ---------------------------------------------------------------- the filter

PART = re.compile(r"(?:(?<=[.:;?)]\s)|^)"
                  r"(?=(?:Returns?|Switch(?:es)?|May switch|Do(?:es)? not switch)\b|Like: )")
NAME = r"(?:green|GREEN)_\w+(?:\([\w, ]*\))?"
NAMED = re.compile(rf"\b({NAME}(?:, {NAME})*)\s+- ")
AS = re.compile(r"^As (green_\w+\(\))|^The same|\bOtherwise as (green_\w+\(\))")
HEADINGS = {"Returns": "\\return ", "Switches": "\\par Switches\n", "Like": "\\par Like\n"}


def prose(text):
    """Text with its parameters marked, and nothing that doxygen takes for a tag or a command."""
    text = re.sub(r"\s+", " ", text).strip()
    return re.sub(r"@(\w+)", r"\\p \1", re.sub(r"([\\<>#%])", r"\\\1", text))


def part_of(sentences):
    """Which part of a page this is, whether it speaks of all declarations, and the text."""
    word, _, rest = sentences.partition(" ")
    if word in ("Return", "Returns"):
        return "Returns", word == "Return", rest
    if word.startswith("Switch"):
        yes = "Yes" + (word[-1] if word[-1] in ".;" else ",") + " "
        return "Switches", not word.startswith("Switches"), yes + rest
    if word == "May":
        return "Switches", False, "Maybe" + sentences.split("switch", 1)[1]
    if word in ("Do", "Does"):
        return "Switches", word == "Do", "No" + sentences.split("switch", 1)[1]
    return "Like", False, rest


class Comment:
    """What a comment says of names, of all of them ("") and of parameters. In it "the same" is as
    what is named before."""

    def __init__(self, lines, before=""):
        self.said = {"": {}}
        self.params = {}
        self.before = before
        paragraphs, param = [""], None
        for line in lines:
            found = re.match(r"@(\w+): +(.*)", line)
            if found:
                param = found[1]
                self.params[param] = found[2]
            elif not line.strip():
                paragraphs.append("")
                param = None
            elif param:
                self.params[param] += " " + line
            elif line.startswith("    "):
                paragraphs[-1] += ("" if paragraphs[-1] else "\\code\n") + line + "\n"
            else:
                paragraphs[-1] += " " + line
        for paragraph in paragraphs:
            if paragraph.startswith("\\code"):
                self.said[""].setdefault("", []).append(paragraph + "\\endcode")
                continue
            first, *named = NAMED.split(paragraph)
            self.take("", first)
            for names, text in zip(named[::2], named[1::2]):
                for name in re.findall(r"((?:green|GREEN)_\w+)", names):
                    self.take(name, text)

    def take(self, name, paragraph):
        """Sorts the sentences of a paragraph about a name."""
        for sentences in PART.split(prose(paragraph)):
            part, of_all = "", False
            if PART.match(sentences):
                part, of_all, sentences = part_of(sentences)
            text = sentences.strip()
            if text:
                if not text.startswith("green") and part != "Like":
                    text = text[0].upper() + text[1:]
                self.said.setdefault("" if of_all else name, {}).setdefault(part, []).append(text)

    def page(self, name, declaration):
        """As doxygen has it, for a declaration of that name."""
        own, shared = self.said.get(name, {}) if name else {}, self.said[""]
        parts = {key: own.get(key, []) + shared.get(key, []) for key in ("", *HEADINGS)}
        about = parts.pop("")
        if re.search(rf"\b{name}\(", declaration) and not declaration.startswith(("#", "typedef")):
            like = AS.search(" ".join(about))
            if like:
                other = like[1] or like[2] or f"{self.before}()"
                parts = {key: text or [f"As {other}."] * (key != "Like")
                         for key, text in parts.items()}
            elif about and not parts["Returns"] and not re.match(r"GREEN_API void \w", declaration):
                value = about.pop(0)
                parts["Returns"] = ["1 or 0: " + value[0].lower() + value[1:] if "?" in value
                                    else value]
        out = ["\n\n".join(about)]
        out += [f"\\param {param} {prose(text)}" for param, text in self.params.items()
                if re.search(rf"\b{param}\b", declaration)]
        out += [mark + " ".join(parts[key]) for key, mark in HEADINGS.items() if parts[key]]
        return "/** " + "\n".join(out) + " */"

    def file_page(self):
        """The same for the header itself, whose first sentence is what it is."""
        first, *more = self.said[""][""]
        sentence, _, rest = re.sub(r"\.(?= |$)", ".\n", first, count=1).partition("\n")
        self.said[""][""] = [text for text in (rest.strip(), *more) if text]
        return self.page("", "").replace("/** ", f"/** \\file\n\\brief {sentence}\n\n", 1)


def declarations(block):
    """The declarations in lines that belong together, each with its name."""
    if "{" in block and not block.startswith("#"):
        return [(re.search(r"(?:struct|enum|union) (\w*) ?\{|$", block)[1], block)]
    if block.startswith("#"):
        return [(re.match(r"#define (\w+)", d)[1], d)
                for d in re.findall(r"#define (?:.*\\\n)*.*", block)]
    return [((re.search(r"(\w+)\(", d) or re.search(r"(\w+);$", d))[1], d.strip())
            for d in re.findall(r"[^;]+;", block)]


def members(block):
    """The same with the comments of members as doxygen has them."""
    block = re.sub(r"(?<=[;,] )( *)/\*(.*?)\*/", lambda m: f"{m[1]}/**<{prose(m[2])} */", block,
                   flags=re.S)
    return re.sub(r"^( +)/\*([^*].*?)\*/", lambda m: f"{m[1]}/**{prose(m[2])} */", block,
                  flags=re.S | re.M)


def documented(comment, block):
    """Declarations below a comment."""
    out = []
    for name, declaration in declarations(block):
        if re.fullmatch(r"struct \w+;", declaration):
            # Opaque: nothing that doxygen would have a place for. Often the function's below it.
            if len(comment.said) == 1:
                page = comment.page("", "")
                out.append(page.replace("/** ", f"/** \\file\n\\par struct {name}\n"))
        elif name in comment.said or len(comment.said) == 1:
            out.append(comment.page(name, declaration))
        out.append(members(declaration))
    return out


def filtered(source):
    """The header as doxygen wants it."""
    # A macro that only wraps the function of its name is that function.
    for name in re.findall(r"^GREEN_API [^;(]*?(\w+)\(", source, re.M):
        source = re.sub(rf"^#define {name}\((.*\\\n)*.*\n", "", source, flags=re.M)
    out, lines, group, before = [], source.split("\n"), False, ""
    at = 0
    while at < len(lines):
        if not lines[at].startswith("/*"):
            if lines[at].startswith("#ifdef __cplusplus") and group:
                out.append("/** @} */")
                group = False
            block, at = block_at(lines, at, "{" in lines[at])
            out.append(members(block))
            continue
        text, at = comment_at(lines, at)
        title = re.fullmatch(r"--- (.*) ---", "\n".join(text))
        if not out:
            out.append(Comment(text).file_page())
        elif title:
            out += ["/** @} */"] * group + [f"/** @name {title[1]}\n@{{ */"]
            group = True
        else:
            block, at = block_at(lines, at, True)
            out += documented(Comment(text, before), block)
            before = declarations(block)[-1][0] if block else before
    return "\n".join(out)


def block_at(lines, at, whole):
    """The lines from that one on, to an empty one or a comment if @whole, and the number of the
    line behind them."""
    end = at
    while end < len(lines) and lines[end].strip() and not lines[end].startswith("/*"):
        end += 1
    end = end if whole else at + 1
    return "\n".join(lines[at:end]), end


def comment_at(lines, at):
    """The text of the comment that begins at a line, and the number of the line behind it."""
    end = at
    while "*/" not in lines[end]:
        end += 1
    text = [re.sub(r"^( \*/?|/\*) ?| ?\*/$", "", line) for line in lines[at:end + 1]]
    while text and not text[-1].strip():
        text.pop()
    while text and not text[0].strip():
        text.pop(0)
    return text, end + 1


# ---------------------------------------------------------------- the pages

SECTIONS = {"Data Structures": "Structures", "Detailed Description": "DESCRIPTION",
            "Data Structure Documentation": "STRUCTURES",
            "Macro Definition Documentation": "MACROS", "Typedef Documentation": "TYPES",
            "Enumeration Type Documentation": "ENUMERATIONS",
            "Function Documentation": "FUNCTIONS"}


def declaration(heading):
    """The heading of a function as C has it, without a second emphasis."""
    plain = re.sub(r"\\f[BP]|(?<=\*) ", "", heading[0])
    return re.sub(r"\(\*\)(\([^()]*\)) (\w+)", r"(*\2)\1", plain)


def finish(page, header):
    """A page of doxygen's in the form of the others."""
    page = re.sub(r"\.TH .*", f'.TH "{header.upper()}" 3 "" "greenshim"', page, count=1)
    page = page.replace(".SH SYNOPSIS\n", f".SH SYNOPSIS\n.B #include <{header}>\n", 1)
    page = re.sub(r'\n\.SH "Author"\n.*', "\n", page, flags=re.S)
    page = re.sub(r'^(\.S[HS]) "(.*)"$', lambda m: f'{m[1]} "{SECTIONS.get(m[2], m[2])}"', page,
                  flags=re.M)
    page = re.sub(r'^\.SH ("(?:struct|enum) .*")$', r".SS \1", page, flags=re.M)
    page = re.sub(r"^\.SS .*", declaration, page, flags=re.M)
    page = re.sub(r"^'", r"\\&'", page, flags=re.M)
    page += '.SH "SEE ALSO"\n.BR greenshim (7)\n'
    return re.sub(r"[ \t]+$", "", page, flags=re.M)


def generate(directory):
    """The page of each header, and for each name in it a page that leads there."""
    with tempfile.TemporaryDirectory(prefix="greenshim-man-") as out:
        config = DOXYFILE.format(include=INCLUDE, me=os.path.abspath(__file__), out=out)
        subprocess.run(["doxygen", "-"], input=config.encode(), check=True)
        shutil.rmtree(directory, ignore_errors=True)
        os.makedirs(directory)
        for name in sorted(os.listdir(os.path.join(out, "man", "man3"))):
            with open(os.path.join(out, "man", "man3", name), encoding="utf-8") as f:
                page = f.read()
            if name.endswith(".h.3"):
                page = finish(page, "green/" + name[:-2])
                name = "green_" + name
            elif name.lower().startswith("green") and page.startswith(".so"):
                page = page.replace("man3/", "man3/green_")
            else:
                continue
            with open(os.path.join(directory, name), "w", encoding="utf-8") as f:
                f.write(page)


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "--filter":
        with open(sys.argv[2], encoding="utf-8") as f:
            print(filtered(f.read()))
    elif len(sys.argv) == 2:
        generate(sys.argv[1])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
