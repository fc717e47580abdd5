// Passwords that attackers try first, of those long enough to pass the length rule.

import { dictionary } from "@zxcvbn-ts/language-common";

const common = new Set(
  `1234567890 12345678910 123456789a 0123456789 0987654321 9876543210 1q2w3e4r5t 1q2w3e4r5t6y 1qaz2wsx3edc q1w2e3r4t5 q1w2e3r4t5y6
  qwertyuiop qwertyuiop1 qwertyuiop123 qwerty1234 qwerty12345 qwerty123456 asdfghjkl1 asdfghjkl123 zxcvbnm123 zaq12wsxcde3 qazwsxedcrfv
  password12 password123 password1234 password12345 password123456 passw0rd123 p@ssw0rd123 p@ssword123 password!1 password01 mypassword
  mypassword1 mypassword123 newpassword newpassword1 changeme123 changeme1234 changemenow letmein123 letmein1234 letmeinnow welcome123
  welcome1234 welcome2024 welcome2025 welcome2026 administrator admin12345 admin123456 adminadmin admin@12345 rootroot123 superman123
  batman1234 iloveyou12 iloveyou123 iloveyou1234 iloveyou2 sunshine12 sunshine123 princess12 princess123 football12 football123 baseball12
  baseball123 basketball liverpool1 liverpool123 chelsea123 arsenal1234 manchester manchester1 barcelona1 realmadrid michael123 jennifer1
  jessica123 charlie123 superstar1 starwars123 pokemon1234 minecraft1 minecraft123 computer123 internet123 samsung123 google1234
  facebook123 facebook1 linkedin123 dragon1234 monkey1234 shadow1234 master1234 hello12345 helloworld helloworld1 helloworld123 test123456
  test1234567 testtest123 testtesttest testing123 testing1234 secret1234 secretsecret summer2024 summer2025 summer2026 winter2024 winter2025
  winter2026 spring2025 spring2026 autumn2025 autumn2026 abcdefghij abcdefghijk abcd123456 abcd12345678 abc1234567 abc123abc123 a123456789
  aa12345678 aa123456789 asd123456789 zxc123456789 qwe123456789 qweasdzxc123 123qweasdzxc 123456qwerty 123abc456def 1234qwer1234
  12341234123 1122334455 1112223334 1231231231 1212121212 2222222222 blink182182 whatever123 trustno1trustno1 correcthorse
  correcthorsebatterystaple nevergonnagiveyouup opensesame letmeinplease chocolate1 chocolate123 butterfly1 butterfly123`.split(
    /\s+/,
  ),
);

// Those that leaked most often, most of them too short by themselves: what people do is put a year or a mark behind one.
// From @zxcvbn-ts/language-common, MIT.
const leaked = new Set(dictionary["passwords-common"]);
/** Words of this platform, which an attacker of it tries first. */
const ofThisPlatform = new Set(["signalbox"]);

export function isCommonPassword(password: string): boolean {
  const lower = password.toLowerCase();
  if (common.has(lower) || leaked.has(lower) || isRepetition(lower) || isRun(lower)) return true;
  const stem = lower.replace(/^[\W\d_]+|[\W\d_]+$/g, "");
  return (
    stem.length >= 4 && lower.length - stem.length <= 6 && (leaked.has(stem) || ofThisPlatform.has(stem))
  );
}

/** `aaaaaaaaaa`, `abcabcabcabc`: long, but one short thing said again. */
function isRepetition(text: string): boolean {
  for (let size = 1; size <= 4; size += 1) {
    if (
      text ===
      text
        .slice(0, size)
        .repeat(Math.ceil(text.length / size))
        .slice(0, text.length)
    )
      return true;
  }
  return false;
}

/** `0123456789`, `klmnopqrstu`: each character the next one of the last. */
function isRun(text: string): boolean {
  const steps = new Set([...text].slice(1).map((char, at) => char.codePointAt(0)! - text.codePointAt(at)!));
  return steps.size === 1 && (steps.has(1) || steps.has(-1));
}
