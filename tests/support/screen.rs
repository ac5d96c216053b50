//! What a user sees of what a program has sent to a terminal.

/// The lines of a screen that is so many columns wide and never full, without the blanks at their ends. Knows what a line editor
/// uses: moving the cursor and erasing.
pub(crate) fn rendered(columns: usize, sent: &str) -> Vec<String> {
    let mut screen = Screen {
        columns,
        lines: Vec::new(),
        row: 0,
        column: 0,
    };
    let mut rest = sent.chars();
    while let Some(one) = rest.next() {
        match one {
            '\r' => screen.column = 0,
            '\n' => screen.row += 1,
            '\u{8}' => screen.column = screen.column.saturating_sub(1),
            '\u{7}' => {}
            '\u{1b}' => {
                let Some(second) = rest.next() else {
                    // The rest of it is still on its way.
                    break;
                };
                assert_eq!(second, '[', "{sent:?}");
                let mut parameters = String::new();
                let last = rest.by_ref().find(|c| {
                    if c.is_ascii_alphabetic() {
                        return true;
                    }
                    parameters.push(*c);
                    false
                });
                // One that is still on its way changes nothing yet.
                if let Some(last) = last {
                    screen.control(last, &parameters);
                }
            }
            other => screen.put(other),
        }
    }
    let lines = screen.lines.iter();
    let mut lines: Vec<String> = lines
        .map(|line| line.iter().collect::<String>().trim_end().to_owned())
        .collect();
    lines.resize(lines.len().max(screen.row + 1), String::new());
    lines
}

struct Screen {
    columns: usize,
    lines: Vec<Vec<char>>,
    row: usize,
    column: usize,
}

impl Screen {
    fn put(&mut self, one: char) {
        if self.column == self.columns {
            self.row += 1;
            self.column = 0;
        }
        let needed = self.lines.len().max(self.row + 1);
        self.lines.resize(needed, Vec::new());
        let line = &mut self.lines[self.row];
        line.resize(line.len().max(self.column + 1), ' ');
        line[self.column] = one;
        self.column += 1;
    }

    fn control(&mut self, last: char, parameters: &str) {
        let count = parameters.parse().unwrap_or(1);
        match last {
            'A' => self.row = self.row.saturating_sub(count),
            'B' => self.row += count,
            'C' => self.column += count,
            'D' => self.column = self.column.saturating_sub(count),
            'G' => self.column = count - 1,
            'J' | 'K' => {
                assert!(matches!(parameters, "" | "0"), "{parameters}{last}");
                if let Some(line) = self.lines.get_mut(self.row) {
                    line.truncate(self.column);
                }
                if last == 'J' {
                    self.lines.truncate(self.row + 1);
                }
            }
            'h' | 'l' | 'm' => {}
            other => panic!("{parameters}{other} is not known"),
        }
    }
}
